import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TRANSFORMER_PRESETS } from '../../../src/models/transformer/config.js';
import { sampleFlops, trainedTotal, wholeTransformer } from '../../../src/train/cost/cost.js';
import { type Cluster, stepOf } from '../../../src/train/cost/scaling.js';
import type { TrainedNetworks } from '../../../src/train/cost/trained-networks.js';
import { Recipe, type Stage } from '../../../src/train/recipe/config.js';
import { stagesOf } from '../../../src/train/recipe/stages.js';

const networks: TrainedNetworks = {
  transformer: TRANSFORMER_PRESETS['mfm-mini'],
  dtype: 'bfloat16',
  promptLength: 40,
  textEncoder: { parameters: 0 },
  autoencoder: { parameters: 0 },
  trained: wholeTransformer(TRANSFORMER_PRESETS['mfm-mini']),
};
const trained = trainedTotal(networks.trained);
const stage = (changes: Partial<Stage> = {}): Stage =>
  stagesOf(
    Recipe.parse({ name: 'tiny', transformer: { steps: 1, imageShare: [0, 0], ...changes } }),
  )[0]!;
const cluster = (ranks: number, changes: Partial<Cluster> = {}): Cluster => ({
  ranks,
  ranksPerNode: 8,
  peakFlops: 1e12,
  efficiency: 0.5,
  memoryBytes: 1e9,
  bandwidthWithin: 1e10,
  bandwidthBetween: 1e9,
  latencySeconds: 0,
  bucketBytes: 2 ** 20,
  ...changes,
});

describe('stepOf', () => {
  test('alone sends nothing and takes as long as its operations', () => {
    const step = stepOf(networks, stage(), 'ddp', cluster(1));
    assert.deepEqual(step.network, { gradients: 0, weights: 0, sequence: 0 });
    const { split, whole } = sampleFlops(
      networks,
      { numFrames: 17, width: 64, height: 64 },
      { gradCheckpointing: false },
    );
    assert.equal(step.flops, 16 * (split + whole));
    assert.ok(Math.abs(step.seconds / (step.flops / 5e11) - 1) < 1e-12, String(step.seconds));
    assert.deepEqual([step.samples, step.tokens, step.passes], [16, 1280, 1]);
  });

  test('counts the products of Muon, once or in every process', () => {
    const muon = { ...networks, muon: { elements: 1, flops: 5e11 } };
    for (const [sharding, ranks, times] of [
      ['ddp', 1, 1],
      ['ddp', 4, 4],
      ['zero1', 4, 1],
    ] as const) {
      const [without, with_] = [networks, muon].map((one) =>
        stepOf(one, stage(), sharding, cluster(ranks)),
      );
      const flops = with_!.flops - without!.flops;
      assert.ok(Math.abs(flops / (times * 5e11) - 1) < 1e-9, `${sharding} ${flops}`);
      const seconds = with_!.computeSeconds - without!.computeSeconds;
      assert.ok(Math.abs(seconds / (times / ranks) - 1) < 1e-9, `${sharding} ${seconds}`);
    }
  });

  test('sends float32 gradients round a ring, with zero1 to their owners and bfloat16 weights back', () => {
    const sent = (sharding: 'ddp' | 'zero1' | 'zero2', changes = {}) =>
      stepOf(networks, stage(changes), sharding, cluster(4)).network;
    assert.deepEqual(sent('ddp'), { gradients: 2 * 0.75 * 4 * trained, weights: 0, sequence: 0 });
    const sharded = { gradients: 0.75 * 4 * trained, weights: 0.75 * 2 * trained, sequence: 0 };
    assert.deepEqual(sent('zero1'), sharded);
    assert.deepEqual(sent('zero2'), sharded);
    // four clips for each of four, one at a time: only the last pass sends
    const micro = { tokensPerMicroBatch: 80 };
    assert.equal(sent('zero1', micro).gradients, sharded.gradients);
    assert.equal(sent('zero2', micro).gradients, sharded.gradients);
  });

  test('hides gradients behind the backward pass, as far as it lasts', () => {
    const on = (bandwidthWithin: number) =>
      stepOf(networks, stage(), 'ddp', cluster(4, { bandwidthWithin }));
    const quick = on(1e12);
    assert.ok(quick.exposedSeconds < 0.1 * quick.networkSeconds, 'all but the last bucket');
    const slow = on(1e6);
    const hidden = slow.networkSeconds - slow.exposedSeconds;
    assert.ok(Math.abs(hidden / ((slow.computeSeconds * 2) / 3) - 1) < 1e-9, String(hidden));
  });

  test('has slower links beyond a node, and a message for every neighbour of the ring', () => {
    const seconds = (ranks: number, changes = {}) =>
      stepOf(networks, stage(), 'ddp', cluster(ranks, changes)).networkSeconds;
    const ratio = seconds(16) / seconds(8);
    assert.ok(Math.abs(ratio - (10 * (15 / 16)) / (7 / 8)) < 1e-9, String(ratio));
    const buckets = Math.ceil((4 * trained) / 2 ** 20);
    const added = seconds(8, { latencySeconds: 1e-3 }) - seconds(8);
    assert.ok(Math.abs(added - 2 * buckets * 7 * 1e-3) < 1e-9, String(added));
  });

  test('exchanges heads against tokens eight times a block, with checkpointing twelve times', () => {
    const sent = (gradCheckpointing: boolean) =>
      stepOf(networks, stage({ sequenceParallel: 2, gradCheckpointing }), 'ddp', cluster(2)).network
        .sequence;
    // 16 clips of 80 tokens, half of them here, of these half to the other; 8 blocks of width 256
    const exchange = ((16 * 80) / 2 / 2) * 256 * 2;
    assert.equal(sent(false), 8 * 8 * exchange);
    assert.equal(sent(true), 8 * 12 * exchange);
  });

  test('waits for the process with most samples', () => {
    const seconds = (ranks: number) =>
      stepOf(networks, stage(), 'ddp', cluster(ranks)).computeSeconds;
    assert.ok(Math.abs(seconds(16) * 16 - seconds(1)) < 1e-9, 'a clip each');
    // 16 clips for 12 processes: four of them have two
    assert.ok(Math.abs(seconds(12) - 2 * seconds(16)) < 1e-12, 'two clips');
    assert.equal(seconds(64), seconds(16));
  });

  test('is a mean over images and clips', () => {
    const of = (imageShare: [number, number]) =>
      stepOf(networks, stage({ imageShare }), 'ddp', cluster(2)).seconds;
    const mean = 0.25 * of([1, 1]) + 0.75 * of([0, 0]);
    assert.ok(Math.abs(of([0.25, 0.25]) - mean) < 1e-12, String(mean));
  });
});
