/** Requests to the hub: which hosts receive the token, which failures are retried, and error messages. */
import { InputError, JobError, type MfmError } from '../errors.js';
import type { RepoRevision } from './repo.js';

export interface Hub {
  endpoint: string;
  token?: string;
  /** ends every request and every pause */
  signal?: AbortSignal;
  /** a connection that delivers no bytes for this long counts as broken */
  stallMs: number;
  /** waiting time before the next attempt; `failures` counts consecutive failures, from 1 */
  pauseMs(failures: number): number;
}

/** 1, 2, 4, … seconds, half a minute at most. */
export function growingPause(failures: number): number {
  return Math.min(30_000, 1000 * 2 ** (failures - 1));
}

export const STALL_MS = 60_000;
/** A file is given up after this many consecutive failures without progress. */
export const MAX_FAILURES = 5;
const MAX_REDIRECTS = 10;

/** A failure that may not recur: a broken connection, a busy server. */
export class TransientError extends Error {
  constructor(
    /** `host (reason)`, for the final error message */
    message: string,
    /** no connection could be made at all */
    readonly unreachable: boolean,
    readonly retryAfterMs = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * GET that follows redirects itself, so that the token is sent only to the endpoint's own host.
 *
 * @param signal  ends this request; the hub's signal is not used here, the caller has to combine them
 * @throws TransientError for failures that may be retried; JobError for a redirect that is not followed
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
        // a compressed response has no known length and cannot be resumed
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
        `${url.host}: redirects to ${next.protocol}//${next.host}, which is not followed`,
      );
    }
    url = next;
  }
  throw new JobError(
    `${url.host}: redirects in a circle (${MAX_REDIRECTS} redirects); try again later`,
  );
}

async function fetchOnce(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    throw passing(error, url.host, init.signal);
  }
}

/**
 * Converts an error of `fetch` or its stream to a
 * TransientError, or to the signal's reason if aborted.
 */
export function passing(error: unknown, host: string, signal?: AbortSignal | null): unknown {
  if (signal?.aborted) return signal.reason;
  const cause = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
  const code = cause.code ?? cause.message;
  const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|UNREACH|ENETDOWN|CONNECT_TIMEOUT|CERT/;
  return new TransientError(`${host} (${code})`, unreachable.test(code), 0, { cause: error });
}

/** @throws TransientError for busy servers, and for a CDN whose signed address has expired */
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

/** Waits for `ms`; rejects with the signal's reason if it aborts. */
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

/** The error for a status that retrying does not change. */
export function refusal(hub: Hub, { repo, revision }: RepoRevision, response: Response): MfmError {
  const { status, headers } = response;
  const code = headers.get('x-error-code');
  const page = `${hub.endpoint}/${repo}`;
  if (status === 401) {
    return new InputError(
      hub.token
        ? `${repo}: is private or does not exist, or HF_TOKEN is no longer valid (status 401); check the name and renew the token`
        : `${repo}: is private or gated, or does not exist (status 401); check the name, or set HF_TOKEN to a token that may read it`,
    );
  }
  if (status === 403 || code === 'GatedRepo') {
    return new InputError(
      hub.token
        ? `${repo}: the token in HF_TOKEN may not read it (status ${status}); accept its terms at ${page}, or use a token with access`
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
    `${repo}: ${new URL(hub.endpoint).host} answers with status ${status}; try again later`,
  );
}
