/** Requests to the hub: who gets the token, what is tried again, what is said when it fails. */
import { InputError, JobError, type MfmError } from '../errors.js';
import type { RepoRevision } from './repo.js';

export interface Hub {
  endpoint: string;
  token?: string;
  /** ends every request and every pause */
  signal?: AbortSignal;
  /** how long without a byte until a connection counts as cut */
  stallMs: number;
  /** waiting time before another try; `failures` in a row so far, from 1 */
  pauseMs(failures: number): number;
}

/** 1, 2, 4, … seconds, half a minute at most. */
export function growingPause(failures: number): number {
  return Math.min(30_000, 1000 * 2 ** (failures - 1));
}

export const STALL_MS = 60_000;
/** Failures in a row, without a byte between them, after which a file is given up. */
export const MAX_FAILURES = 5;
const MAX_REDIRECTS = 10;

/** A failure that may pass: a cut connection, a busy server. */
export class TransientError extends Error {
  constructor(
    /** where: what, for the sentence at the end */
    message: string,
    /** no connection at all was made */
    readonly unreachable: boolean,
    readonly retryAfterMs = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * GET with redirects followed by hand: the token goes to the endpoint's own host only.
 *
 * @param signal  ends this request; the hub's signal does not, so that the caller joins them
 * @throws PassingFailure for what may be tried again; JobError for a redirect to nowhere
 */
export async function get(
  hub: Hub,
  address: string,
  { headers = {}, signal }: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Response> {
  const home = new URL(hub.endpoint);
  let url = new URL(address);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const own = url.origin === home.origin;
    const response = await fetchOnce(url, {
      signal,
      redirect: 'manual',
      headers: {
        ...headers,
        // a compressed answer has no length and cannot be resumed
        'accept-encoding': 'identity',
        'user-agent': 'mfm',
        ...(own && hub.token ? { authorization: `Bearer ${hub.token}` } : {}),
      },
    });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) {
      await expectLasting(response, url, own);
      return response;
    }
    await response.body?.cancel();
    const next = new URL(location, url);
    if (
      !/^https?:$/.test(next.protocol) ||
      (url.protocol === 'https:' && next.protocol === 'http:') ||
      next.username ||
      next.password
    ) {
      throw new JobError(
        `${url.host}: leads on to ${next.protocol}//${next.host}, which is not followed`,
      );
    }
    url = next;
  }
  throw new JobError(`${url.host}: leads in a circle (${MAX_REDIRECTS} redirects); try later`);
}

async function fetchOnce(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    throw passing(error, url.host, init.signal);
  }
}

/** What `fetch` and its stream throw, as a failure that may pass. */
export function passing(error: unknown, host: string, signal?: AbortSignal | null): unknown {
  if (signal?.aborted) return signal.reason;
  const cause = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
  const code = cause.code ?? cause.message;
  const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|UNREACH|ENETDOWN|CONNECT_TIMEOUT|CERT/;
  return new TransientError(`${host} (${code})`, unreachable.test(code), 0, { cause: error });
}

/** Busy servers, and a CDN whose signed address has run out. */
async function expectLasting(response: Response, url: URL, own: boolean): Promise<void> {
  const { status, headers } = response;
  if (
    ![408, 425, 429].includes(status) &&
    status < 500 &&
    (own || status < 400 || status === 416)
  ) {
    return;
  }
  await response.body?.cancel();
  const seconds = Number(headers.get('retry-after'));
  const retryAfterMs = Number.isFinite(seconds) ? Math.min(seconds, 120) * 1000 : 0;
  throw new TransientError(`${url.host} (status ${status})`, false, retryAfterMs);
}

/** Waits; rejects with the signal's reason when it aborts. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** The sentence for a status that trying again does not change. */
export function refusal(hub: Hub, { repo, revision }: RepoRevision, response: Response): MfmError {
  const { status, headers } = response;
  const code = headers.get('x-error-code');
  const page = `${hub.endpoint}/${repo}`;
  if (status === 401) {
    return new InputError(
      hub.token
        ? `${repo}: is private, or not there, or HF_TOKEN is no longer valid (status 401); check the name and renew the token`
        : `${repo}: is private, gated or not there (status 401); check the name, or set HF_TOKEN to a token that may read it`,
    );
  }
  if (status === 403 || code === 'GatedRepo') {
    return new InputError(
      hub.token
        ? `${repo}: the token in HF_TOKEN may not read it (status ${status}); accept its terms at ${page}, or take a token with access`
        : `${repo}: is gated or private (status ${status}); accept its terms at ${page} and set HF_TOKEN`,
    );
  }
  if (status === 404 && code === 'RevisionNotFound') {
    return new InputError(
      `${repo}: has no branch, tag or commit "${revision}"; see ${page}/tree/main`,
    );
  }
  if (status === 404 && code !== 'EntryNotFound') {
    return new InputError(`${repo}: no such repository at ${hub.endpoint}; check the name`);
  }
  return new JobError(
    `${repo}: ${new URL(hub.endpoint).host} answers with status ${status}; try later`,
  );
}
