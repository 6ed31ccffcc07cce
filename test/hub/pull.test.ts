import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { InputError, JobError } from '../../src/errors.js';
import { findSnapshot, type PullRequest, pull } from '../../src/hub/index.js';
import { temporaryFolder } from '../temp-folder.js';
import { bytes, COMMIT, FakeHub, gitSha, OLD_COMMIT, pipelineFiles, sha256 } from './server.js';

const root = temporaryFolder();

let hub: FakeHub;
let cache: string;
beforeEach(async () => {
  hub = await new FakeHub().start();
  Object.assign(hub.files, pipelineFiles());
  cache = mkdtempSync(join(root, 'cache-'));
});
afterEach(() => hub.stop());

function fetchIt(change: Partial<PullRequest> = {}, settings: object = {}) {
  return pull({
    repo: hub.repo,
    revision: 'main',
    include: [],
    exclude: [],
    parallel: 3,
    settings: { cache, endpoint: hub.endpoint, offline: false, ...settings },
    pauseMs: () => 1,
    stallMs: 60_000,
    ...change,
  });
}

const VAE = 'vae/diffusion_pytorch_model.safetensors';
const TEXT = 'text_encoder/model.safetensors';
const folder = () => join(cache, 'models--org--tiny-pipeline');
const blobs = () => readdirSync(join(folder(), 'blobs')).sort();
const parts = () => blobs().filter((name) => name.endsWith('.incomplete'));
const partOf = (name: string) =>
  join(folder(), 'blobs', `${sha256(hub.files[name]!.content)}.incomplete`);
const snapshot = () => join(folder(), 'snapshots', COMMIT);

/** Every entry below a folder, links with what they say. */
function tree(at: string, prefix = ''): string[] {
  return readdirSync(at, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const name = prefix + entry.name;
      const path = join(at, entry.name);
      if (entry.isSymbolicLink()) return [`${name} -> ${readlinkSync(path)}`];
      return entry.isDirectory() ? tree(path, `${name}/`) : [name];
    });
}

/** A page of a listing without files. */
const MANY_FOLDERS = JSON.stringify(
  Array.from({ length: 1000 }, (_, i) => ({ type: 'directory', path: String(i) })),
);

const says = (kind: new (m: string) => Error, pattern: RegExp) => (error: Error) => {
  assert.ok(error instanceof kind, `${error.stack}`);
  assert.match(error.message, pattern);
  assert.doesNotMatch(error.message, /\n/);
  return true;
};

describe('pull', () => {
  test('writes the tree that huggingface_hub writes', async () => {
    const result = await fetchIt();
    assert.deepEqual(result, { folder: snapshot(), commit: COMMIT });
    const at = (name: string) => {
      const { content, lfs } = hub.files[name]!;
      return lfs ? sha256(content) : gitSha(content);
    };
    const kept = [
      ...['README.md', 'model_index.json', 'text_encoder/config.json', TEXT],
      ...['tokenizer/spiece.model', 'vae/config.json', VAE, 'vae/empty.txt'],
    ];
    const link = (name: string) =>
      `models--org--tiny-pipeline/snapshots/${COMMIT}/${name} -> ` +
      `${name.includes('/') ? '../' : ''}../../blobs/${at(name)}`;
    assert.deepEqual(tree(cache), [
      'CACHEDIR.TAG',
      ...[...new Set(kept.map(at))].sort().map((sha) => `models--org--tiny-pipeline/blobs/${sha}`),
      'models--org--tiny-pipeline/refs/main',
      ...kept.map(link),
    ]);
    assert.equal(readFileSync(join(folder(), 'refs/main'), 'utf8'), COMMIT);
    for (const name of kept) {
      assert.deepEqual(readFileSync(join(snapshot(), name)), hub.files[name]!.content);
    }
  });

  test('names small files as git does', async () => {
    await fetchIt({ include: ['README.md'] });
    const path = join(snapshot(), 'README.md');
    const printed = execFileSync('git', ['hash-object', path], { encoding: 'utf8' });
    assert.deepEqual(blobs(), [printed.trim()]);
  });

  test('downloads nothing the second time, only what changed later', async () => {
    await fetchIt();
    hub.seen.length = 0;
    await fetchIt();
    assert.deepEqual(hub.downloads(), []);
    assert.equal(hub.seen.length, 2); // what main is, and its files

    const next = 'a'.repeat(40);
    hub.commits[next] = { ...hub.files, 'vae/config.json': { content: Buffer.from('{"x": 1}') } };
    hub.revisions.main = next;
    const { folder: newer } = await fetchIt();
    assert.deepEqual(hub.downloads(), [`/${hub.repo}/resolve/${next}/vae/config.json`]);
    assert.equal(readFileSync(join(newer, 'vae/config.json'), 'utf8'), '{"x": 1}');
    assert.equal(readFileSync(join(snapshot(), 'vae/config.json'), 'utf8'), '{}');
    assert.equal(findSnapshot(cache, { repo: hub.repo, revision: 'main' }), newer);
  });

  test('reads a listing of several pages', async () => {
    hub.pageSize = 4;
    const plans: number[] = [];
    await fetchIt({ include: ['*'], onPlan: ({ files }) => plans.push(files.length) });
    assert.deepEqual(plans, [12]);
  });

  test('counts the bytes that are here and those to come', async () => {
    const counted: number[] = [];
    let total = 0;
    await fetchIt({
      onPlan: (plan) => {
        total = plan.totalBytes;
        assert.equal(plan.presentBytes, 0);
        assert.deepEqual(plan.left, [
          ...['.gitattributes', 'assets/film.mp4', 'text_encoder/pytorch_model.bin'],
          'vae/diffusion_pytorch_model.fp16.safetensors',
        ]);
      },
      onBytes: (done) => counted.push(done),
    });
    assert.equal(counted.at(-1), total);
    assert.deepEqual(
      counted,
      counted.toSorted((a, b) => a - b),
    );
    const plan = {
      onPlan: ({ presentBytes }: { presentBytes: number }) => (total -= presentBytes),
    };
    await fetchIt(plan);
    assert.equal(total, 0);
  });

  test('takes at most `parallel` files at a time', async () => {
    let [now, most] = [0, 0];
    const counting: PullRequest['open'] = async (path, flags) => {
      const handle = await open(path, flags);
      if (flags === 'r+') {
        most = Math.max(most, ++now);
        const close = handle.close.bind(handle);
        handle.close = async () => {
          now--;
          await close();
        };
      }
      return handle;
    };
    await fetchIt({ open: counting, parallel: 2 });
    assert.equal(most, 2);
  });

  test('downloads a branch, a tag with a slash, a commit', async () => {
    hub.commits[OLD_COMMIT]!['config.json'] = { content: Buffer.from('{"old": true}') };
    const { folder: byTag } = await fetchIt({ revision: 'v1/old' });
    assert.equal(byTag, join(folder(), 'snapshots', OLD_COMMIT));
    assert.equal(readFileSync(join(folder(), 'refs/v1/old'), 'utf8'), OLD_COMMIT);
    const { folder: byCommit } = await fetchIt({ revision: OLD_COMMIT });
    assert.equal(byCommit, byTag);
    assert.deepEqual(readdirSync(join(folder(), 'refs')), ['v1']);
    assert.ok(findSnapshot(cache, { repo: hub.repo, revision: OLD_COMMIT }));
    assert.equal(findSnapshot(cache, { repo: hub.repo, revision: 'main' }), undefined);
  });
});

describe('pull goes on', () => {
  for (const cut of [1, 65_536, 123_457, 999_999]) {
    test(`after a cut at byte ${cut}, by itself`, async () => {
      hub.cuts = [cut];
      await fetchIt({ include: [TEXT] });
      const ranges = hub.seen.filter((s) => s.host === 'cdn').map((s) => s.range);
      assert.equal(ranges.length, 2);
      // the socket may lose some of what was sent before the cut
      const from = Number(/^bytes=(\d+)-$/.exec(ranges[1] ?? 'bytes=0-')![1]);
      assert.ok(from <= cut);
      assert.deepEqual(readFileSync(join(snapshot(), TEXT)), hub.files[TEXT]!.content);
    });
  }

  test('in the next call, where the last one stopped', async () => {
    hub.cuts = [400_000, ...Array<number>(20).fill(0)];
    await assert.rejects(
      fetchIt({ include: [TEXT] }),
      says(
        JobError,
        /^org\/tiny-pipeline\/text_encoder\/model\.safetensors: cut off at \d+ of 1000000 bytes, .*; the same command resumes from there$/,
      ),
    );
    const { size } = statSync(partOf(TEXT));
    assert.ok(size > 0 && size <= 400_000);
    assert.equal(existsSync(snapshot()), false);
    assert.equal(existsSync(join(folder(), 'refs/main')), false);
    assert.equal(findSnapshot(cache, { repo: hub.repo, revision: 'main' }), undefined);

    hub.cuts = [];
    hub.seen.length = 0;
    let present = -1;
    await fetchIt({ include: [TEXT], onPlan: ({ presentBytes }) => (present = presentBytes) });
    assert.equal(present, size);
    assert.deepEqual(
      hub.seen.filter((s) => s.host === 'cdn').map((s) => s.range),
      [`bytes=${size}-`],
    );
    assert.deepEqual(readFileSync(join(snapshot(), TEXT)), hub.files[TEXT]!.content);
    assert.deepEqual(parts(), []);
  });

  test('from the start where a server knows no ranges', async () => {
    hub.cuts = [5000];
    hub.before = (seen) => {
      delete seen.range; // send() reads it from here
      return false;
    };
    await fetchIt({ include: [TEXT] });
    assert.deepEqual(readFileSync(join(snapshot(), TEXT)), hub.files[TEXT]!.content);
  });

  test('with a whole part that lacks only its name, without a request', async () => {
    mkdirSync(join(folder(), 'blobs'), { recursive: true });
    writeFileSync(partOf(TEXT), hub.files[TEXT]!.content);
    await fetchIt({ include: [TEXT] });
    assert.deepEqual(hub.downloads(), []);
    assert.deepEqual(blobs(), [sha256(hub.files[TEXT]!.content)]);
  });

  test('after busy answers, no byte for long, a CDN address that ran out', async () => {
    const answers: ((response: import('node:http').ServerResponse) => void)[] = [
      (response) => response.writeHead(503, { 'retry-after': '0' }).end(),
      (response) => void response.writeHead(200, { 'content-length': 1_000_000 }).flushHeaders(),
      (response) => response.writeHead(403).end(),
      (response) => response.writeHead(429).end(),
    ];
    hub.before = ({ host }, response) => {
      const answer = host === 'cdn' ? answers.shift() : undefined;
      answer?.(response);
      return answer !== undefined;
    };
    await fetchIt({ include: [TEXT], stallMs: 1500 });
    assert.deepEqual(readFileSync(join(snapshot(), TEXT)), hub.files[TEXT]!.content);
  });

  test('after Ctrl-C, which keeps the parts and ends the other downloads', async () => {
    const controller = new AbortController();
    await assert.rejects(
      fetchIt({
        signal: controller.signal,
        onBytes: (done) => done > 100_000 && controller.abort(),
      }),
      { name: 'AbortError' },
    );
    assert.equal(existsSync(snapshot()), false);
    assert.ok(parts().length > 0);
    await fetchIt();
    assert.deepEqual(parts(), []);
    assert.deepEqual(readFileSync(join(snapshot(), TEXT)), hub.files[TEXT]!.content);
  });
});

describe('pull trusts only checksums', () => {
  for (const name of [VAE, 'vae/config.json']) {
    test(`${name} comes wrong once and is fetched again`, async () => {
      hub.spoiled.set(name, { once: true });
      await fetchIt();
      assert.deepEqual(readFileSync(join(snapshot(), name)), hub.files[name]!.content);
    });

    test(`${name} comes wrong always: nothing of it is kept`, async () => {
      hub.spoiled.set(name, { once: false });
      await assert.rejects(
        fetchIt({ include: [name] }),
        says(
          JobError,
          /: arrived twice with a wrong checksum \(\w{12}…, must be \w{12}…\) and was deleted; /,
        ),
      );
      assert.deepEqual(blobs(), []);
      assert.equal(existsSync(snapshot()), false);
    });
  }

  test('a part with foreign bytes is found out', async () => {
    mkdirSync(join(folder(), 'blobs'), { recursive: true });
    writeFileSync(partOf(TEXT), bytes(1000, 99));
    await fetchIt({ include: [TEXT] });
    assert.deepEqual(readFileSync(join(snapshot(), TEXT)), hub.files[TEXT]!.content);
  });

  for (const name of [
    '../evil',
    'vae/../../evil',
    '/etc/evil',
    'a//b',
    'C:evil',
    'a\\..\\evil',
    './a',
  ]) {
    test(`the file name ${name} is refused`, async () => {
      hub.files[name] = { content: Buffer.from('x') };
      await assert.rejects(
        fetchIt(),
        says(JobError, /^org\/tiny-pipeline: the file name ".*" leads out of its folder; nothing/),
      );
      assert.deepEqual(tree(cache), []);
    });
  }

  test('a file name that no disk holds, or with control characters, is refused', async () => {
    for (const [name, message] of [
      [`vae/${'é'.repeat(128)}`, /too long for a disk; nothing/],
      ['a/'.repeat(600), /too long for a disk; nothing/],
      ['vae/\u009b31mred', /leads out of its folder; nothing/],
    ] as const) {
      hub.commits[COMMIT] = { [name]: { content: Buffer.from('x') } };
      await assert.rejects(fetchIt(), says(JobError, message));
      assert.deepEqual(tree(cache), []);
    }
  });

  test('a commit or checksum that is none is no hub', async () => {
    hub.revisions.main = '../../evil';
    hub.commits['../../evil'] = {};
    await assert.rejects(fetchIt(), says(JobError, /does not answer as a model hub does/));
  });
});

describe('pull and the token', () => {
  test('sends it to the hub, never to another host', async () => {
    hub.token = 'hf_secret';
    await fetchIt({}, { token: 'hf_secret' });
    const cdn = hub.seen.filter((s) => s.host === 'cdn');
    assert.ok(cdn.length > 0);
    assert.ok(cdn.every((s) => s.authorization === undefined));
    assert.ok(hub.seen.every((s) => s.host === 'cdn' || s.authorization === 'Bearer hf_secret'));
  });

  test('says what to do about 401 and 403, with and without one', async () => {
    const cases: [401 | 403, string | undefined, RegExp][] = [
      [401, undefined, /: is private or gated, or does not exist \(status 401\); .*set HF_TOKEN/],
      [401, 'hf_old', /\(status 401\); check the name and renew the token$/],
      [
        403,
        undefined,
        /: is gated or private .*accept its terms at http.*org\/tiny-pipeline and set HF_TOKEN$/,
      ],
      [403, 'hf_old', /: the token in HF_TOKEN may not read it .*accept its terms/],
    ];
    hub.token = 'hf_right';
    for (const [status, token, sentence] of cases) {
      hub.refuseWith = status;
      await assert.rejects(fetchIt({}, { token }), (error: Error) => {
        assert.doesNotMatch(error.message, /hf_/);
        return says(InputError, sentence)(error);
      });
    }
  });
});

describe('pull says in one sentence', () => {
  test('that a repository or a revision is not there', async () => {
    await assert.rejects(
      fetchIt({ repo: 'org/other' }),
      says(InputError, /^org\/other: no such repository at http.*; check the name$/),
    );
    await assert.rejects(
      fetchIt({ revision: 'v9' }),
      says(InputError, /^org\/tiny-pipeline: has no branch, tag or commit "v9"; see http/),
    );
  });

  test('that nothing is left to download', async () => {
    await assert.rejects(
      fetchIt({ include: ['*.onnx'] }),
      says(InputError, /: `include: '\*\.onnx'` leaves none of its 12 files \(.*\)$/),
    );
  });

  test('that there is no network', async () => {
    await hub.stop();
    await assert.rejects(
      fetchIt(),
      says(
        JobError,
        /^127\.0\.0\.1:\d+ \(ECONNREFUSED\): cannot be reached; check the network, or HF_ENDPOINT/,
      ),
    );
    hub = await new FakeHub().start();
  });

  test('that the address is no hub', async () => {
    hub.before = (_, response) => response.end('<html>hello</html>') !== undefined;
    await assert.rejects(
      fetchIt(),
      says(JobError, /^127\.0\.0\.1:\d+: does not answer as a model hub does; check HF_ENDPOINT$/),
    );
  });

  for (const [how, next] of [
    ['repeats a page', () => '/api/models/org/tiny-pipeline/tree/x?page=1'],
    ['has always one more page', (page: number) => `/api/models/org/tiny-pipeline/tree/x?${page}`],
  ] as const) {
    test(`that a listing ${how}`, async () => {
      let pages = 0;
      hub.before = ({ path }, response) => {
        if (!path.includes('/tree/')) return false;
        response.writeHead(200, { link: `<${next(pages++)}>; rel="next"` }).end(MANY_FOLDERS);
        return true;
      };
      await assert.rejects(
        fetchIt(),
        says(JobError, /lists its files without end; check the name/),
      );
      assert.ok(pages < 200, `${pages} pages`);
    });
  }

  test('that an answer does not end', async () => {
    const chunk = Buffer.alloc(2 ** 20, ' ');
    hub.before = (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', more);
      };
      response.writeHead(200);
      more();
      return true;
    };
    await assert.rejects(fetchIt(), says(JobError, /does not answer as a model hub does/));
  });

  test('that a listing goes on at another host', async () => {
    hub.before = ({ path }, response) => {
      if (!path.includes('/tree/')) return false;
      response.writeHead(200, { link: '<http://127.0.0.2:1/x>; rel="next"' }).end('[]');
      return true;
    };
    await assert.rejects(fetchIt(), says(JobError, /does not answer as a model hub does/));
  });

  test('that a server is down, after trying again', async () => {
    hub.before = (_, response) => response.writeHead(502).end() !== undefined;
    await assert.rejects(fetchIt(), says(JobError, /\(status 502\): cannot be reached/));
    assert.equal(hub.seen.length, 3);
  });

  test('that the space will not do, before the first byte', async () => {
    await assert.rejects(
      fetchIt({ freeBytes: async () => 1000 }),
      says(
        JobError,
        /: 0\.0 GB are still to be downloaded, but only 0\.0 GB are free; .*HF_HUB_CACHE/,
      ),
    );
    assert.deepEqual(hub.downloads(), []);
  });

  test('that the disk is full, and keeps what can be resumed', async () => {
    let written = 0;
    const full: PullRequest['open'] = async (path, flags) => {
      const handle = await open(path, flags);
      const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<unknown>;
      handle.write = (async (data: Uint8Array, ...rest: unknown[]) => {
        written += data.length;
        if (written > 500_000) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
        return write(data, ...rest);
      }) as never;
      return handle;
    };
    await assert.rejects(
      fetchIt({ open: full }),
      says(JobError, /: the disk is full; free some space, then the same command resumes/),
    );
    assert.equal(existsSync(snapshot()), false);
    assert.ok(parts().length > 0);
    hub.seen.length = 0;
    await fetchIt();
    assert.ok(hub.seen.some((s) => s.range !== undefined));
    assert.deepEqual(readFileSync(join(snapshot(), TEXT)), hub.files[TEXT]!.content);
  });
});

describe('pull offline', () => {
  test('gives the folder without a request', async () => {
    await fetchIt();
    hub.seen.length = 0;
    assert.equal((await fetchIt({}, { offline: true })).folder, snapshot());
    assert.deepEqual(hub.seen, []);
  });

  test('says what is missing', async () => {
    await assert.rejects(
      fetchIt({}, { offline: true }),
      says(
        InputError,
        /^org\/tiny-pipeline: revision main is not in .*; run `mfm pull org\/tiny-pipeline` without `offline`/,
      ),
    );
    assert.deepEqual(hub.seen, []);
  });
});

describe('two pulls', () => {
  test('of one repository follow each other, the second downloads nothing', async () => {
    let waited = 0;
    const one = fetchIt();
    const two = fetchIt({ onWait: () => waited++ });
    assert.deepEqual(await one, await two);
    assert.equal(hub.downloads().length, new Set(hub.downloads()).size);
    assert.deepEqual(parts(), []);
  });

  test('a lock left behind by a process that is gone is taken over', async () => {
    const lock = join(cache, '.locks', 'models--org--tiny-pipeline', 'mfm-pull.lock');
    mkdirSync(join(lock, '..'), { recursive: true });
    const gone = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim();
    symlinkSync(`${hostname()}:${gone}:1`, `${lock}-1`);
    await fetchIt();
    // on another machine only its age tells
    symlinkSync('elsewhere:1:1', `${lock}-1`);
    lutimesSync(`${lock}-1`, 0, 0);
    await fetchIt();
    assert.deepEqual(readdirSync(join(lock, '..')), []);
  });
});
