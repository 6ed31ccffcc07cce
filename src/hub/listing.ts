/** Lists the files of a repository at a revision with the hub's API. */
import { z } from 'zod';
import { JobError } from '../errors.js';
import { checkFileName, type RepoRevision } from './repo.js';
import { get, type Hub, passing, pause, refusal, TransientError } from './request.js';
import { EndlessAnswer, textOf } from './web.js';

export interface RemoteFile {
  /** path in the repository, checked by `checkFileName` */
  name: string;
  sizeBytes: number;
  /** hash of the content: sha256 for LFS files, else git's sha1; also the name of its blob */
  sha: string;
}

const Revision = z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/) });
const Tree = z.array(
  z.discriminatedUnion('type', [
    z.object({
      type: z.literal('file'),
      path: z.string(),
      size: z.int().nonnegative(),
      oid: z.string().regex(/^[0-9a-f]{40}$/),
      lfs: z
        .object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().nonnegative() })
        .optional(),
    }),
    z.object({ type: z.enum(['directory', 'submodule']) }),
  ]),
);

/** Number of attempts; few, so that an unresponsive hub is reported soon. */
const TRIES = 3;
/** Largest page that is accepted; one of 1,000 files has some 300 kB. */
const MAX_PAGE_BYTES = 32 * 2 ** 20;
/**
 * Most pages, of 1,000 entries each: more than any pipeline
 * has. A longer listing is considered endless.
 */
const MAX_PAGES = 100;

/** The commit to which a branch, tag or abbreviated commit currently resolves. */
export async function resolveCommit(hub: Hub, target: RepoRevision): Promise<string> {
  const revision = encodeURIComponent(target.revision);
  const address = `${hub.endpoint}/api/models/${target.repo}/revision/${revision}`;
  const { body } = await getJson(hub, target, address, Revision);
  return body.sha;
}

/**
 * Every file of a commit, sorted by name.
 * @throws JobError if a name would leave the snapshot's folder, or the listing does not end
 */
export async function listFiles(hub: Hub, target: RepoRevision): Promise<RemoteFile[]> {
  const files: RemoteFile[] = [];
  const seen = new Set<string>();
  let address: string | undefined =
    `${hub.endpoint}/api/models/${target.repo}/tree/${target.revision}?recursive=true&expand=false`;
  while (address !== undefined) {
    if (seen.has(address) || seen.size === MAX_PAGES) throw endless(target, address);
    seen.add(address);
    const page: { body: z.infer<typeof Tree>; next?: string } = await getJson(
      hub,
      target,
      address,
      Tree,
    );
    for (const entry of page.body) {
      if (entry.type !== 'file') continue;
      files.push({
        name: checkFileName(target.repo, entry.path),
        sizeBytes: entry.lfs?.size ?? entry.size,
        sha: entry.lfs?.oid ?? entry.oid,
      });
    }
    address = page.next;
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const endless = ({ repo }: RepoRevision, address: string) =>
  new JobError(
    `${repo}: ${new URL(address).host} lists its files without end; check the name, and HF_ENDPOINT`,
  );

async function getJson<T>(hub: Hub, target: RepoRevision, address: string, schema: z.ZodType<T>) {
  const { response, text } = await getPatiently(hub, address);
  if (!response.ok) throw refusal(hub, target, response);
  // Link: <address>; rel="next"
  const next = /<([^>]+)>\s*;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
  try {
    return { body: schema.parse(JSON.parse(text)), next: next && nextPage(next, address) };
  } catch (cause) {
    throw noHub(address, cause);
  }
}

/** The address of the next page, on the same host. */
function nextPage(link: string, address: string): string {
  const next = new URL(link, address);
  if (next.origin !== new URL(address).origin) throw new Error(`continues at ${next.host}`);
  return next.href;
}

const noHub = (address: string, cause: unknown) =>
  new JobError(`${new URL(address).host}: does not answer as a model hub does; check HF_ENDPOINT`, {
    cause,
  });

async function getPatiently(hub: Hub, address: string) {
  for (let failures = 1; ; failures++) {
    const timeout = AbortSignal.timeout(hub.stallMs);
    const signal = hub.signal ? AbortSignal.any([hub.signal, timeout]) : timeout;
    const { host } = new URL(address);
    try {
      const response = await get(hub, address, { signal });
      const text = await textOf(response, MAX_PAGE_BYTES).catch((error) => {
        throw error instanceof EndlessAnswer ? noHub(address, error) : passing(error, host);
      });
      return { response, text };
    } catch (error) {
      hub.signal?.throwIfAborted();
      const failure = timeout.aborted ? new TransientError(`${host} (no answer)`, true) : error;
      if (!(failure instanceof TransientError)) throw failure;
      if (failure.unreachable || failures >= TRIES) throw unreachable(failure);
      await pause(Math.max(hub.pauseMs(failures), failure.retryAfterMs), hub.signal);
    }
  }
}

function unreachable(failure: TransientError): JobError {
  return new JobError(
    `${failure.message}: cannot be reached; check the network, or HF_ENDPOINT if you use a mirror`,
    { cause: failure },
  );
}
