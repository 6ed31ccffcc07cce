import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { processRuns } from '../../../src/processes/process-runs.js';
import { saveSmallTraining } from '../commands/train/small-training.js';
import { insist, program, quoted, type Watched, watch } from '../program.js';

// endless, as far as a test is concerned
const RECIPE = `
name: tiny
base: tiny
data: [{ manifest: set }]
validationSamples: 1
transformer:
  { steps: 1000000, width: 32, height: 32, lora: { rank: 2 }, tokensPerBatch: 8, logEverySteps: 1,
    checkpointEverySeconds: 600, imageShare: [1, 1], tasks: { t2i: 1 } }
`;

let folder: string;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mfm-signals-'));
  await saveSmallTraining(folder, RECIPE);
});
after(() => rmSync(folder, { recursive: true }));

const train = (run: string, ...more: string[]) => [
  ...[program, 'train', 'tiny.yaml', '--run', run, '--workers', '1', ...more],
];
/** Once the run has logged so many steps more than now, or its process has ended. */
async function logged(run: string, { child }: Watched, steps = 1): Promise<void> {
  const path = join(folder, run, 'metrics.jsonl');
  const count = () =>
    existsSync(path) ? readFileSync(path, 'utf8').split('"learningRate"').length : 1;
  const wanted = count() + steps;
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  while (count() < wanted && !hasEnded()) await setTimeout(20);
}
const stateOf = (run: string) => JSON.parse(readFileSync(join(folder, run, 'status.json'), 'utf8'));
const lastStep = (run: string) => {
  const names = readdirSync(join(folder, run, 'checkpoints')).sort();
  return Number(names.at(-1)!.slice(-8));
};
const fixture = (name: string, ...words: string[]) => [
  ...[process.execPath, '--import', 'tsx'],
  ...[fileURLToPath(new URL(`fixtures/${name}`, import.meta.url)), ...words],
];

describe('a training that is told to stop', () => {
  for (const [signal, code, processes] of [
    ['SIGHUP', 129, '1'],
    ['SIGHUP', 129, '2'],
  ] as const) {
    test(`by ${signal}, with --nproc ${processes}, saves and leaves with ${code}`, async () => {
      const run = `${signal}-${processes}`;
      const job = watch(train(run, '--nproc', processes), { cwd: folder });
      await logged(run, job);
      job.child.kill(signal);
      const { code: left, stderr } = await job.ended;
      assert.equal(left, code, stderr);
      const { state, step } = stateOf(run);
      assert.equal(state, 'stopped');
      assert.equal(lastStep(run), step);
      assert.ok(step > 0);
      assert.match(stderr, /stopped; continue with `.*`\n$/);
    });
  }

  test('twice at once, as by `timeout`, and by a terminal that closes, saves all the same', async () => {
    const job = watch(train('again'), { cwd: folder });
    await logged('again', job);
    job.child.kill('SIGTERM');
    await job.until(/saving a checkpoint/);
    job.child.kill('SIGTERM');
    assert.equal((await insist(job, 'SIGHUP')).code, 143);
    assert.equal(lastStep('again'), stateOf('again').step);
  });

  test('by what it was started to ignore goes on', async () => {
    const line = `trap '' HUP INT; exec ${quoted(train('ignoring'))}`;
    const job = watch(['sh', '-c', line], { cwd: folder });
    await logged('ignoring', job);
    job.child.kill('SIGHUP');
    job.child.kill('SIGINT');
    await logged('ignoring', job, 20);
    job.child.kill('SIGTERM');
    assert.equal((await job.ended).code, 143);
  });
});

describe('a second Ctrl-C', () => {
  test('ends a job amid a call that lets no JavaScript run, and what it started', async () => {
    const job = watch(fixture('stuck.ts'));
    await job.until(/child \d+\n/);
    const child = Number(/child (\d+)/.exec(job.said.stderr)![1]);
    assert.equal((await insist(job, 'SIGINT')).code, 130);
    spawnSync('tail', ['--follow', '--sleep-interval=0.1', `--pid=${child}`, '/dev/null']);
    assert.ok(!processRuns(child));
  });

  test('of a run frees its lock, and the run is stopped', () => {
    for (const [code, state] of [
      ['130', 'stopped'],
      ['1', 'failed'],
    ] as const) {
      const run = join(folder, `cut-off-${code}`);
      const [first = '', ...words] = fixture('run-cut-off.ts', run, code);
      assert.equal(spawnSync(first, words).status, Number(code));
      assert.equal(JSON.parse(readFileSync(join(run, 'status.json'), 'utf8')).state, state);
      assert.deepEqual(
        readdirSync(run).filter((name) => name.startsWith('.lock')),
        [],
      );
    }
  });
});

test('what is written when the program ends leaves nothing', () => {
  const [first = '', ...words] = fixture('write-cut-off.ts', join(folder, 'cut.txt'));
  assert.equal(spawnSync(first, words).status, 130);
  assert.ok(!existsSync(join(folder, 'cut.txt')));
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.tmp')),
    [],
  );
});
