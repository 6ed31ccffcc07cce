/** A task of the user's own, from the file that declares it to a result: train, generate, eval. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { readImage } from '../../../../src/media/index.js';
import { temporaryFolder } from '../../../temp-folder.js';
import { program } from '../../program.js';
import { saveSmallTraining } from './small-training.js';

const folder = temporaryFolder();

function mfm(...words: string[]) {
  const env = { ...process.env, OMP_NUM_THREADS: '1' };
  return spawnSync(program, words, { cwd: folder, encoding: 'utf8', env });
}

const TASKS = `
import { defineTask, everyFrame, type Frames } from 'mfm/tasks';

const negative = (clip: Frames): Frames => ({ ...clip, data: clip.data.map((value) => 255 - value) });

export const positive = defineTask({
  id: 'positive',
  summary: 'your negative as a picture',
  promptTag: 'a positive',
  result: 'image',
  inputs: ['image'],
  fromSample: ({ clip }) => everyFrame(negative(clip)),
  fromInput: ({ media: [image] }) => everyFrame(image!),
});
`;

const RECIPE = {
  name: 'own',
  base: 'tiny',
  data: [{ manifest: 'set' }],
  transformer: {
    steps: 2,
    width: 32,
    height: 32,
    tokensPerBatch: 8,
    logEverySteps: 1,
    tasks: { positive: 1 },
    imageShare: [1, 1],
  },
};

describe('a task of a file', () => {
  before(async () => {
    await saveSmallTraining(folder, JSON.stringify(RECIPE));
    writeFileSync(join(folder, 'my-tasks.ts'), TASKS);
  });

  test('is unknown without it, and has its share in a dry run with it', () => {
    const without = mfm('train', 'tiny.yaml', '--dry-run');
    assert.equal(without.status, 2);
    assert.match(without.stderr, /transformer\.tasks\.positive: unknown task; there are t2i, /);
    const { status, stdout } = mfm('train', 'tiny.yaml', '--tasks', 'my-tasks.ts', '--dry-run');
    assert.equal(status, 0);
    assert.match(stdout, /^ {4}positive +1 +100\.0 % +100\.0 % of all steps +2 of 2 samples$/m);
    const gone = mfm('train', 'tiny.yaml', '--tasks', 'gone.ts');
    assert.deepEqual(
      [gone.status, gone.stderr],
      [2, 'gone.ts: no such file; name the module that declares your tasks\n'],
    );
  });

  test('is trained, and makes pictures; without its file one sentence says what is missing', async () => {
    const trained = mfm('train', 'tiny.yaml', '--tasks', 'my-tasks.ts', '--workers', '1');
    assert.deepEqual([trained.status, trained.stdout], [0, 'runs/own/pipeline\n'], trained.stderr);
    const lines = readFileSync(join(folder, 'runs/own/metrics.jsonl'), 'utf8').split('\n');
    assert.ok(lines.some((line) => line !== '' && JSON.parse(line)['loss/positive'] > 0));
    const index = JSON.parse(
      readFileSync(join(folder, 'runs/own/pipeline/model_index.json'), 'utf8'),
    );
    assert.deepEqual(index._mfm.tasks.at(-1), 'positive');

    const pipeline = ['--pipeline', 'runs/own/pipeline'];
    const words = ['generate', 'positive', '-i', 'set/a.png', '-p', 'a red cube', '-o', 'a.png'];
    const without = mfm(...words, ...pipeline);
    assert.deepEqual(
      [without.status, without.stderr],
      [
        2,
        'runs/own/pipeline: was trained on positive, a task that is not part of mfm; name the file that declares it with --tasks FILE\n',
      ],
    );
    const newest = mfm(...words);
    assert.match(
      newest.stderr,
      /^runs\/own\/pipeline: was trained on positive, a task that is not/,
    );
    const made = mfm(...words, ...pipeline, '--tasks', 'my-tasks.ts');
    assert.equal(made.status, 0, made.stderr);
    const { width, height } = await readImage(join(folder, 'a.png'));
    assert.deepEqual([width, height], [32, 32]);
  });

  test('is evaluated by its file, and asked for where that is missing', () => {
    const without = mfm('eval', 'runs/own/pipeline');
    assert.deepEqual(
      [without.status, without.stderr],
      [
        2,
        'the pipeline was trained on positive, a task that is not part of mfm; name the file that declares it among --tasks, or only tasks of mfm, e.g. --tasks t2v\n',
      ],
    );
    const options = ['--scenes', '2', '-o', 'report', '--no-baselines'];
    const made = mfm('eval', 'runs/own/pipeline', '--tasks', 't2i,my-tasks.ts', ...options);
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stdout, /positive/);
    assert.ok(existsSync(join(folder, 'report', 'tasks', 'positive.json')));
  });
});
