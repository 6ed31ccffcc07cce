import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { saveSmallTraining } from '../commands/train/small-training.js';
import { program, quoted, watch } from '../program.js';

const RECIPE = `
name: tiny
base: tiny
data: [{ manifest: set }]
validationSamples: 1
transformer:
  { steps: 2, width: 32, height: 32, lora: { rank: 2 }, tokensPerBatch: 8, imageShare: [1, 1],
    tasks: { t2i: 1 } }
`;

describe('a reader that goes away', () => {
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mfm-readers-'));
    await saveSmallTraining(folder, RECIPE);
  });
  after(() => rmSync(folder, { recursive: true }));
  const at = (...names: string[]) => join(folder, ...names);
  const generate = (name: string, ...more: string[]) => [
    ...[program, 'generate', 't2i', '-p', 'a red cube', '--pipeline', 'tiny', '-o', name],
    ...['--steps', '2', ...more],
  ];
  const stateOf = (run: string) => JSON.parse(readFileSync(at(run, 'status.json'), 'utf8')).state;

  test('of all that generate says costs no picture', async () => {
    const { child, ended } = watch(generate('unread.png'), { cwd: folder });
    child.stdout!.destroy();
    child.stderr!.destroy();
    assert.equal((await ended).code, 0);
    assert.ok(existsSync(at('unread.png')));
  });

  for (const processes of ['1', '2']) {
    test(`stops no training, with --nproc ${processes}`, async () => {
      const run = `unread-${processes}`;
      const words = [program, 'train', 'tiny.yaml', '--run', run, '--nproc', processes];
      const { child, ended } = watch([...words, '--workers', '1'], { cwd: folder });
      child.stdout!.destroy();
      child.stderr!.destroy();
      assert.equal((await ended).code, 0);
      assert.equal(stateOf(run), 'finished');
      assert.ok(existsSync(at(run, 'pipeline', 'model_index.json')));
    });
  }

  test('leaves the exit code of a job that fails', async () => {
    const { child, ended } = watch(generate('unread.png', '--guidance', 'x'), { cwd: folder });
    child.stdout!.destroy();
    child.stderr!.destroy();
    assert.equal((await ended).code, 2);
  });

  test('was never there: closed streams carry nothing into files', () => {
    const line = `${quoted(generate('closed.png'))} <&- >&- 2>&-`;
    const { status } = spawnSync('sh', ['-c', line], { cwd: folder });
    assert.equal(status, 0);
    assert.deepEqual([...readFileSync(at('closed.png')).subarray(1, 4)], [...Buffer.from('PNG')]);
  });

  const skip = spawnSync('script', ['--version']).error && 'script(1) is not installed';
  test('and took the terminal along stops nothing that ignores hang-ups', { skip }, async () => {
    const line = `trap '' HUP; echo $$ >pid; exec ${quoted(generate('terminal.png'))}`;
    const words = ['script', '--quiet', '--command', line, '/dev/null'];
    const { child, ended } = watch(words, { cwd: folder });
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    child.kill('SIGKILL');
    await ended;
    const pid = readFileSync(at('pid'), 'utf8').trim();
    // tail ends with the process
    spawnSync('tail', ['--follow', '--sleep-interval=0.1', `--pid=${pid}`, '/dev/null']);
    assert.ok(existsSync(at('terminal.png')));
  });
});

describe('results on stdout', () => {
  test('are written to the last byte, however late they are read', async () => {
    const fixture = fileURLToPath(new URL('fixtures/writes-much.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', fixture]);
    let length = 0;
    child.stderr.once('data', () => {
      child.stdout.on('data', (bytes: Buffer) => {
        length += bytes.length;
      });
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.deepEqual([code, length], [0, 1_000_000]);
  });

  test('that a full disk cannot take are a failure', { skip: !existsSync('/dev/full') }, () => {
    const { status, stderr } = spawnSync('sh', ['-c', `'${program}' --help >/dev/full`], {
      encoding: 'utf8',
    });
    assert.equal(stderr, 'standard output: cannot be written, the disk is full\n');
    assert.equal(status, 1);
  });
});
