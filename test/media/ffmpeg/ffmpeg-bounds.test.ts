import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { JobError } from '../../../src/errors.js';
import { fromRoot } from '../../../src/files/package-root.js';
import { ffmpegFeatures } from '../../../src/media/ffmpeg/features.js';
import { startFfmpeg } from '../../../src/media/ffmpeg/ffmpeg.js';
import { inputArgs } from '../../../src/media/ffmpeg/input-args.js';
import { temporaryFolder } from '../../temp-folder.js';
import { noFfmpeg } from '../helpers.js';

const folder = temporaryFolder();
const source = fromRoot('src/media/ffmpeg/ffmpeg.ts');

/** A program in place of ffmpeg that tells its id and then gives nothing, for ever. */
const QUIET = join(folder, 'quiet');
writeFileSync(QUIET, `#!/bin/sh\necho $$ > ${folder}/pid\nexec tail -f /dev/null\n`);
chmodSync(QUIET, 0o755);

/** Runs a program that starts the quiet ffmpeg and then does `act`; gives the id of that ffmpeg. */
async function idAfter(act: string): Promise<number> {
  const program = `
    import { readFileSync, rmSync } from 'node:fs';
    import { startFfmpeg } from ${JSON.stringify(source)};
    rmSync('${folder}/pid', { force: true });
    startFfmpeg([]);
    const started = () => { try { return readFileSync('${folder}/pid', 'utf8').endsWith('\\n'); } catch { return false; } };
    const wait = () => (started() ? (${act}) : setTimeout(wait, 5));
    wait();`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', program];
  const env = { ...process.env, FFMPEG_PATH: QUIET };
  const child = spawn(process.execPath, args, { env, stdio: 'ignore' });
  await new Promise((resolve) => child.once('close', resolve));
  return Number(readFileSync(join(folder, 'pid'), 'utf8'));
}

/** Resolves when the process is no more. */
async function gone(id: number): Promise<void> {
  for (;;) {
    try {
      process.kill(id, 0);
      // a zombie that nobody waits for is gone too
      if (/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${id}/stat`, 'utf8'))) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('ffmpeg', { skip: process.platform === 'win32' && 'needs a shell' }, () => {
  const ends: [string, string][] = [
    ['ends well', 'process.exit(0)'],
    ['throws', "(() => { throw new Error('on purpose'); })()"],
  ];
  if (process.platform === 'linux')
    ends.push(['is killed', "process.kill(process.pid, 'SIGKILL')"]);
  for (const [name, act] of ends) {
    test(`ends with a program that ${name}`, { timeout: 60_000 }, async () => {
      await gone(await idAfter(act));
    });
  }

  test('is ended when it gives nothing for too long', async () => {
    const before = process.env.FFMPEG_PATH;
    process.env.FFMPEG_PATH = QUIET;
    try {
      const { child, done } = startFfmpeg([], { stallMs: 40 });
      child.stdout!.resume();
      const { code, stalled } = await done;
      assert.deepEqual([code, stalled], [null, true]);
    } finally {
      if (before === undefined) delete process.env.FFMPEG_PATH;
      else process.env.FFMPEG_PATH = before;
    }
  });

  test('is beyond the signals of the terminal where this program ignores one', async (t) => {
    if (process.platform !== 'linux') return t.skip('needs /proc');
    const before = { ...process.env };
    const isApart = async (ignored: string) => {
      process.env.FFMPEG_PATH = QUIET;
      process.env.MFM_IGNORED_SIGNALS = ignored;
      const stop = new AbortController();
      const { child, done } = startFfmpeg([], { signal: stop.signal });
      const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
      stop.abort();
      await done;
      const [, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(group) === child.pid;
    };
    try {
      assert.deepEqual([await isApart(' SIGHUP'), await isApart('')], [true, false]);
    } finally {
      process.env = before;
    }
  });

  test('is asked again for what it has after it failed to list it', async () => {
    const before = process.env.FFMPEG_PATH;
    const program = join(folder, 'lists');
    const answer = (commands: string) => {
      writeFileSync(program, `#!/bin/sh\n${commands}\n`);
      chmodSync(program, 0o755);
    };
    process.env.FFMPEG_PATH = program;
    try {
      answer('echo no memory >&2; exit 1');
      await assert.rejects(
        ffmpegFeatures('filters'),
        (error: Error) => error instanceof JobError && /filters \(no memory\)/.test(error.message),
      );
      answer('echo " ... scale  V->V  Scale it."');
      assert.deepEqual([...(await ffmpegFeatures('filters'))], ['scale']);
    } finally {
      if (before === undefined) delete process.env.FFMPEG_PATH;
      else process.env.FFMPEG_PATH = before;
    }
  });

  test('opens files by no format that refers to others', () => {
    const args = inputArgs('a:b.mp4');
    const formats = args[args.indexOf('-format_whitelist') + 1]!.split(',');
    for (const name of ['hls', 'dash', 'concat', 'sdp', 'rtsp', 'imf', 'image2', 'svg_pipe']) {
      assert.ok(!formats.includes(name), name);
    }
    assert.ok(['mov', 'matroska', 'mpegts'].every((name) => formats.includes(name)));
    assert.equal(args[args.indexOf('-protocol_whitelist') + 1], 'file');
    assert.match(args.at(-1)!, /^file:.*\/a:b\.mp4$/);
  });
});

describe('the bounds of ffmpeg', { skip: noFfmpeg }, () => {
  test('are options that it knows', async () => {
    const { child, done } = startFfmpeg(['-nostdin', ...inputArgs(QUIET)]);
    child.stdout!.resume();
    const { stderr } = await done;
    assert.doesNotMatch(stderr, /unrecognized option|option .* not found/i);
  });
});
