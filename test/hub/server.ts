/**
 * A model hub on two local ports, for tests: the API and small files on one, LFS contents on the
 * other ("CDN"), behind a redirect. It speaks as huggingface.co does: the routes, status codes and
 * headers that huggingface_hub's `hf_hub_download` and `snapshot_download` rely on.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StoredFile {
  content: Buffer;
  lfs?: boolean;
}

export interface Seen {
  host: 'hub' | 'cdn';
  method: string;
  path: string;
  range?: string;
  authorization?: string;
}

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';
export const OLD_COMMIT = 'fedcba9876543210fedcba9876543210fedcba98';

export class FakeHub {
  readonly seen: Seen[] = [];
  /** by commit */
  readonly commits: Record<string, Record<string, StoredFile>> = { [COMMIT]: {}, [OLD_COMMIT]: {} };
  readonly revisions: Record<string, string> = { main: COMMIT, 'v1/old': OLD_COMMIT };
  /** if set, whoever has not this token gets a 401 or 403 */
  token?: string;
  refuseWith: 401 | 403 = 401;
  /** takes a request over; true if it answered */
  before: (request: Seen, response: ServerResponse) => boolean = () => false;
  /** after how many bytes the next answers with a file break off; one is used up for each */
  cuts: number[] = [];
  /** names of files that come with wrong bytes, once or always */
  readonly spoiled = new Map<string, { once: boolean }>();
  /** entries a page of the listing */
  pageSize = 1000;
  private readonly hub: Server = createServer((req, res) => this.answerHub(req, res));
  private readonly cdn: Server = createServer((req, res) => this.answerCdn(req, res));

  constructor(readonly repo = 'org/tiny-pipeline') {}

  /** stays what it was when the servers are stopped */
  endpoint = '';

  get files(): Record<string, StoredFile> {
    return this.commits[COMMIT]!;
  }

  async start(port = 0): Promise<this> {
    await new Promise<void>((done) => this.hub.listen(port, '127.0.0.1', done));
    await new Promise<void>((done) => this.cdn.listen(0, '127.0.0.1', done));
    this.endpoint = `http://127.0.0.1:${(this.hub.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    for (const server of [this.hub, this.cdn]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  /** Paths of the contents that were asked for. */
  downloads(): string[] {
    return this.seen
      .filter((s) => s.method === 'GET' && s.path.includes('/resolve/'))
      .map((s) => s.path);
  }

  private note(host: 'hub' | 'cdn', request: IncomingMessage): Seen {
    const { method = '', url = '', headers } = request;
    const seen = {
      host,
      method,
      path: decodeURIComponent(url),
      range: headers.range,
      authorization: headers.authorization,
    };
    this.seen.push(seen);
    return seen;
  }

  private answerHub(request: IncomingMessage, response: ServerResponse): void {
    const seen = this.note('hub', request);
    if (this.before(seen, response)) return;
    if (this.token && seen.authorization !== `Bearer ${this.token}`) {
      const code = this.refuseWith === 403 ? { 'x-error-code': 'GatedRepo' } : {};
      return void response.writeHead(this.refuseWith, code).end();
    }
    const url = new URL(request.url ?? '', 'http://hub');
    const [, api, revision] =
      /^\/api\/models\/[^/]+\/[^/]+\/(revision|tree)\/([^/]+)/.exec(url.pathname) ?? [];
    const inRepo = url.pathname.replace(/^\/api\/models/, '').startsWith(`/${this.repo}/`);
    if (!inRepo) return void response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end();
    if (api) {
      this.answerApi(url, api, decodeURIComponent(revision!), response);
      return;
    }
    const [, at = '', name = ''] = /\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname) ?? [];
    this.answerFile(seen, decodeURIComponent(at), decodeURIComponent(name), response);
  }

  private answerApi(url: URL, api: string, revision: string, response: ServerResponse): void {
    const commit = this.revisions[revision] ?? revision;
    const files = this.commits[commit];
    if (!files) return void response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end();
    const names = Object.keys(files).sort();
    if (api === 'revision') {
      const siblings = names.map((rfilename) => ({ rfilename }));
      json(response, { id: this.repo, modelId: this.repo, sha: commit, siblings, tags: [] });
      return;
    }
    const entries = names.map((path) => {
      const file = files[path]!;
      const size = file.content.length;
      const lfs = file.lfs ? { lfs: { oid: sha256(file.content), size, pointerSize: 130 } } : {};
      return { type: 'file', oid: gitSha(file.content), size, path, ...lfs };
    });
    const folders = [...new Set(names.flatMap((n) => n.match(/^.+(?=\/)/) ?? []))];
    const all = [
      ...folders.map((path) => ({ type: 'directory', oid: '0'.repeat(40), size: 0, path })),
      ...entries,
    ];
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const to = from + this.pageSize;
    url.searchParams.set('cursor', String(to));
    const next = `<${this.endpoint}${url.pathname}${url.search}>; rel="next"`;
    json(response, all.slice(from, to), to < all.length ? { link: next } : {});
  }

  private answerFile(seen: Seen, revision: string, name: string, response: ServerResponse): void {
    const commit = this.revisions[revision] ?? revision;
    const file = this.commits[commit]?.[name];
    if (!file) return void response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    const sha = file.lfs ? sha256(file.content) : gitSha(file.content);
    const headers = {
      'x-repo-commit': commit,
      ...(file.lfs
        ? { 'x-linked-etag': `"${sha}"`, 'x-linked-size': file.content.length, etag: '"pointer"' }
        : { etag: `"${sha}"` }),
    };
    if (file.lfs) {
      const { port } = this.cdn.address() as AddressInfo;
      const location = `http://127.0.0.1:${port}/lfs/${commit}/${encodeURIComponent(name)}`;
      return void response.writeHead(302, { ...headers, location }).end();
    }
    this.send(seen, name, file, headers, response);
  }

  private answerCdn(request: IncomingMessage, response: ServerResponse): void {
    const seen = this.note('cdn', request);
    if (this.before(seen, response)) return;
    const [, , commit = '', name = ''] = seen.path.match(/^\/(lfs)\/([^/]+)\/(.+)$/) ?? [];
    this.send(seen, name, this.commits[commit]![name]!, { etag: '"cdn"' }, response);
  }

  private send(
    seen: Seen,
    name: string,
    file: StoredFile,
    headers: Record<string, string | number>,
    response: ServerResponse,
  ): void {
    let content = file.content;
    const spoiled = this.spoiled.get(name);
    if (spoiled && seen.method === 'GET') {
      content = Buffer.from(content).fill(7);
      if (spoiled.once) this.spoiled.delete(name);
    }
    const start = Number(/^bytes=(\d+)-$/.exec(seen.range ?? '')?.[1] ?? 0);
    const body = content.subarray(start);
    const range = { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` };
    response.writeHead(start > 0 ? 206 : 200, {
      ...headers,
      'content-length': body.length,
      'accept-ranges': 'bytes',
      ...(start > 0 ? range : {}),
    });
    if (seen.method === 'HEAD') return void response.end();
    const cut = file.lfs ? this.cuts.shift() : undefined;
    if (cut === undefined) return void response.end(body);
    response.write(body.subarray(0, cut), () => setImmediate(() => response.destroy()));
  }
}

function json(
  response: ServerResponse,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** What `git hash-object` prints. */
export function gitSha(content: Buffer): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

/** Bytes that differ everywhere, the same each time. */
export function bytes(length: number, seed = 1): Buffer {
  const data = Buffer.alloc(length);
  for (let i = 0, x = seed; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    data[i] = x >>> 24;
  }
  return data;
}

const text = (value: string): StoredFile => ({ content: Buffer.from(value) });

/** A pipeline's files, and some that no part of it reads. */
export function pipelineFiles(): Record<string, StoredFile> {
  return {
    '.gitattributes': text('*.safetensors filter=lfs\n'),
    'README.md': text('# tiny\n'),
    'assets/film.mp4': { content: bytes(3000, 5), lfs: true },
    'model_index.json': text(
      '{"_class_name": "MfMPipeline", "vae": ["diffusers", "AutoencoderKLCogVideoX"]}\n',
    ),
    'text_encoder/config.json': text('{}'),
    'text_encoder/model.safetensors': { content: bytes(1_000_000, 2), lfs: true },
    'text_encoder/pytorch_model.bin': { content: bytes(5000, 3), lfs: true },
    'tokenizer/spiece.model': { content: bytes(2000, 4), lfs: true },
    'vae/config.json': text('{}'),
    'vae/diffusion_pytorch_model.fp16.safetensors': { content: bytes(4000, 6), lfs: true },
    'vae/diffusion_pytorch_model.safetensors': { content: bytes(300_000, 7), lfs: true },
    'vae/empty.txt': text(''),
  };
}
