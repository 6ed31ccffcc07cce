import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { args, run } from '../../../src/cli/commands/pull.js';
import { parseArgs } from '../../../src/cli/terminal/args.js';
import { bytes, COMMIT, FakeHub, pipelineFiles, sha256 } from '../../hub/server.js';
import { temporaryFolder } from '../../temp-folder.js';
import { program } from '../program.js';
import { quietly } from '../quietly.js';

const root = temporaryFolder();

let hub: FakeHub;
let cache: string;
beforeEach(async () => {
  hub = await new FakeHub().start();
  Object.assign(hub.files, pipelineFiles());
  cache = mkdtempSync(join(root, 'cache-'));
});
afterEach(() => hub.stop());

const environment = () => ({ HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache, HOME: root });

/** Runs `mfm pull …` in this process, quietly. */
async function pullHere(words: string[], env: NodeJS.ProcessEnv = {}) {
  const before = { ...process.env };
  Object.assign(process.env, environment(), env);
  try {
    return await quietly(() => run(parseArgs('mfm pull', args, words) as never));
  } finally {
    process.env = before;
  }
}

/** Runs the program itself; `onStderr` may interrupt it. */
function mfm(words: string[], onStderr: (interrupt: () => void) => void = () => {}) {
  const env = { PATH: process.env.PATH, ...environment() };
  const child = spawn(program, words, { cwd: root, env, timeout: 120_000 });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (said.stdout += data));
  child.stderr.on('data', (data) => {
    said.stderr += data;
    onStderr(() => child.kill('SIGINT'));
  });
  return new Promise<{ status: number | null; stdout: string; stderr: string }>((done) => {
    child.on('close', (status) => done({ status, ...said }));
  });
}

const snapshot = () => join(cache, 'models--org--tiny-pipeline/snapshots', COMMIT);

describe('mfm pull', () => {
  test('prints the folder, which other commands find by name', async () => {
    const first = await pullHere(['org/tiny-pipeline']);
    assert.equal(first.exitCode, 0, first.message);
    assert.equal(first.stdout, `${snapshot()}\n`);
    assert.match(
      first.stderr,
      /^org\/tiny-pipeline at 0123456789ab: 8 files, 1\.3 MB, 4 files left out\n/,
    );
    assert.match(first.stderr, /: downloaded 1\.3 MB\n$/);

    const again = await pullHere(['org/tiny-pipeline', '--offline']);
    assert.deepEqual([again.exitCode, again.stdout], [0, first.stdout]);

    const info = await mfm(['info', '--pipeline', 'org/tiny-pipeline', '--json']);
    const facts = JSON.parse(info.stdout) as Record<string, string>;
    assert.equal(facts.pipeline, snapshot());
    assert.equal(facts.vae, 'AutoencoderKLCogVideoX, 300 kB, 215.6 M parameters');
  });

  test('takes a revision either way, globs, and a mirror', async () => {
    const words = ['org/tiny-pipeline', '--include', 'vae/*', '--exclude', '*.fp16.*'];
    const { exitCode, message } = await pullHere([...words, '--revision', COMMIT]);
    assert.equal(exitCode, 0, message);
    assert.deepEqual(readdirSync(snapshot()), ['vae']);
    assert.equal(readdirSync(join(snapshot(), 'vae')).length, 3);
    const twice = await pullHere(['org/tiny-pipeline@main', '--revision', 'main']);
    assert.equal(twice.exitCode, 2);
    assert.equal(
      twice.message,
      'org/tiny-pipeline@main: already names a revision; leave out --revision',
    );
  });

  test('leaves with 2 for wrong input, 1 for a failure, with one sentence', async () => {
    const cases: [string[], NodeJS.ProcessEnv, number, RegExp][] = [
      [['a/b/c'], {}, 2, /^a\/b\/c: must be the name of a repository/],
      [['org/other'], {}, 2, /^org\/other: no such repository/],
      [['org/tiny-pipeline'], { HF_HUB_OFFLINE: '1' }, 2, /: revision main is not in/],
      [['org/tiny-pipeline'], { HF_ENDPOINT: 'http://127.0.0.1:12' }, 1, /: cannot be reached; /],
      [
        ['org/tiny-pipeline'],
        { HF_HUB_CACHE: `${program}/cache` },
        2,
        /^.*: part of the path is a file/,
      ],
    ];
    for (const [words, env, expected, sentence] of cases) {
      const { exitCode, message } = await pullHere(words, env);
      assert.equal(exitCode, expected, message);
      assert.match(message, sentence);
      assert.doesNotMatch(message, /\n/);
    }
  });

  test('stops at Ctrl-C, keeps the parts, goes on', async () => {
    const name = 'text_encoder/model.safetensors';
    // the first 600 kB come at once, the rest never
    hub.before = ({ host, path }, response) => {
      if (host !== 'cdn' || !path.endsWith(name)) return false;
      response.writeHead(200, { 'content-length': 1_000_000 });
      response.write(bytes(1_000_000, 2).subarray(0, 600_000));
      return true;
    };
    const content = bytes(1_000_000, 2);
    const path = join(cache, 'models--org--tiny-pipeline/blobs', `${sha256(content)}.incomplete`);
    const part = () => statSync(path, { throwIfNoEntry: false })?.size;
    let stop: NodeJS.Timeout | undefined;
    const stopped = await mfm(['pull', 'org/tiny-pipeline'], (interrupt) => {
      // once: a second Ctrl-C ends the program at once
      stop ??= setInterval(() => {
        if (!part()) return;
        clearInterval(stop);
        interrupt();
      }, 50);
    });
    assert.equal(stopped.status, 130, stopped.stderr);
    assert.match(
      stopped.stderr,
      /\norg\/tiny-pipeline: stopped; run the same command again to continue\n$/,
    );
    assert.equal(stopped.stdout, '');
    assert.ok(part());
    assert.equal(existsSync(snapshot()), false);

    hub.before = () => false;
    const { exitCode, message, stderr } = await pullHere(['org/tiny-pipeline']);
    assert.equal(exitCode, 0, message);
    assert.match(stderr, /of it here/);
    assert.deepEqual(readFileSync(join(snapshot(), name)), content);
  });
});
