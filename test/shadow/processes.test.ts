/** A job of two processes, each with a device of its own: its figures are those of one on the CPU. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fromRoot } from '../../src/files/package-root.js';
import { temporaryFolder } from '../temp-folder.js';
import { expectSameFigures } from './figures.js';
import { noShadow, SHADOW } from './shadow.js';

const folder = temporaryFolder();
/** each process has a PSNR of its own samples, whose mean is not that of all */
const names = /^(loss|validation\/(?!psnr)|gradNorm)/;

const RECIPE = `
name: tiny
dtype: float32
data: [{ miniworld: { clips: 8, images: 8 } }]
validationSamples: 2
autoencoder:
  { steps: 1, width: 32, height: 32, blockOutChannels: [8, 8, 8, 8],
    batches: [{ numFrames: 5, batchSize: 2 }] }
textEncoder: { width: 32, numLayers: 1 }
transformer:
  { steps: 3, numLayers: 1, numHeads: 2, adapterChannels: [8, 8, 8, 8, 8], width: 32, height: 32,
    numFrames: 5, tokensPerBatch: 32, logEverySteps: 1, tasks: { t2i: 1, i2v: 1 },
    imageShare: [0.5, 0.5], gradCheckpointing: true }
`;

/** `mfm train` in a process that has the second device. */
function trained(name: string, ...words: string[]): string {
  const run = join(folder, name);
  const shadow = pathToFileURL(fromRoot('test/shadow/shadow.ts')).href;
  const program = ['--import', 'tsx', '--import', shadow, fromRoot('src/cli/main.ts')];
  const { status, stderr } = spawnSync(
    process.execPath,
    [...program, 'train', join(folder, 'tiny.yaml'), '--run', run, ...words],
    { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1', MFM_THREADS: '1' } },
  );
  assert.equal(status, 0, stderr);
  return run;
}

describe('two processes with devices of their own', { skip: noShadow }, () => {
  let alone: string;
  before(() => {
    writeFileSync(join(folder, 'tiny.yaml'), RECIPE);
    alone = trained('alone', '--device', 'cpu');
  });

  test('share the gradients and the optimizer', () => {
    const two = ['--nproc', '2', '--device', SHADOW];
    expectSameFigures(trained('zero2', ...two, '--set', 'sharding=zero2'), alone, { names });
  });

  test('share the tokens of each sample', () => {
    const two = ['--nproc', '2', '--device', SHADOW];
    const run = trained('sequence', ...two, '--set', 'transformer.sequenceParallel=2');
    expectSameFigures(run, alone, { names });
  });
});
