import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { temporaryFolder } from '../../../temp-folder.js';
import { program } from '../../program.js';

const folder = temporaryFolder();

const RECIPE = `
name: tiny
dtype: float32
data: [{ miniworld: { clips: 8, images: 8 } }]
validationSamples: 3
autoencoder:
  { steps: 2, width: 32, height: 32, blockOutChannels: [8, 8, 8, 8], logEverySteps: 1,
    batches: [{ numFrames: 5, batchSize: 3 }] }
textEncoder: { width: 32, numLayers: 1 }
transformer:
  { steps: 4, numLayers: 1, numHeads: 2, adapterChannels: [8, 8, 8, 8, 8], width: 32, height: 32,
    numFrames: 5, tokensPerBatch: 40, logEverySteps: 1, tasks: { t2i: 1, i2v: 1, vinp: 1 },
    imageShare: [0.5, 0.5] }
`;

/** Losses, gradient norms and validation of every line, in order. */
function trained(name: string, ...words: string[]): number[] {
  const run = join(folder, name);
  const args = ['train', join(folder, 'tiny.yaml'), '--run', run, ...words];
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'ignore'] });
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.flatMap((line) => {
    const { loss, gradNorm, ...rest } = JSON.parse(line) as Record<string, number>;
    return [loss, gradNorm, rest['validation/i2v']].filter((value) => value !== undefined);
  });
}

describe('mfm train in several processes', () => {
  let alone: number[];
  before(() => {
    writeFileSync(join(folder, 'tiny.yaml'), RECIPE);
    alone = trained('alone');
    assert.ok(alone.length > 12, String(alone));
  });

  // float32 sums in another order, over a few steps
  const expectSame = (values: number[]) => {
    assert.equal(values.length, alone.length);
    values.forEach((value, i) => {
      const off = Math.abs(value - alone[i]!) / Math.abs(alone[i]!);
      assert.ok(off < 1e-4, `${i}: ${value} for ${alone[i]}`);
    });
  };

  test('two with half of each batch are one', () => {
    expectSame(trained('shared', '--nproc', '2', '--set', 'sharding=zero2'));
  });

  test('two that share the tokens of each sample are one', () => {
    expectSame(trained('sequence', '--nproc', '2', '--set', 'transformer.sequenceParallel=2'));
  });
});
