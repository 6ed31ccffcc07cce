import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TRANSFORMER_PRESETS,
  type TransformerConfig,
} from '../../../src/models/transformer/config.js';
import { parseTransformerConfig, Transformer3D } from '../../../src/models/transformer/index.js';
import { lowRankElements } from '../../../src/models/transformer/parameters.js';
import { withParameters } from '../../../src/nn/index.js';
import {
  cat,
  checkpoint,
  full,
  Generator,
  memoryInfo,
  resetPeakMemory,
  tidy,
  zeros,
} from '../../../src/tensor/index.js';
import { batchesOf, sampleFlops, wholeTransformer } from '../../../src/train/cost/cost.js';
import { activationBytes, largestShare, memoryOf } from '../../../src/train/cost/memory.js';
import type { TrainedNetworks } from '../../../src/train/cost/trained-networks.js';
import { tokensOf } from '../../../src/train/feed/index.js';
import { drawRoute } from '../../../src/train/networks/route.js';
import { Recipe, type Stage } from '../../../src/train/recipe/config.js';
import { type SkippedBlocks, skippedBlocks } from '../../../src/train/recipe/levers-config.js';
import { stagesOf } from '../../../src/train/recipe/stages.js';

const mini = TRANSFORMER_PRESETS['mfm-mini'];
const networks = (transformer: TransformerConfig, more = {}): TrainedNetworks => ({
  transformer,
  dtype: 'bfloat16',
  promptLength: 40,
  textEncoder: { parameters: 0 },
  autoencoder: { parameters: 0 },
  trained: wholeTransformer(transformer),
  ...more,
});
const lowRank = (transformer: TransformerConfig) => {
  const layers = lowRankElements(transformer, { rank: 4, targets: ['q_proj'] });
  return { trained: new Map([...layers].map(([name, size]) => [`transformer.${name}`, size])) };
};
const stage = (changes: Partial<Stage> = {}): Stage => {
  const recipe = Recipe.parse({ name: 'tiny', transformer: { steps: 1, ...changes } });
  return stagesOf(recipe)[0]!;
};
const near = (value: number, expected: number, tolerance: number, what: string) =>
  assert.ok(Math.abs(value / expected - 1) <= tolerance, `${what}: ${value}, not ${expected}`);
const whole = (config: TransformerConfig) =>
  withParameters({ device: 'meta' }, () => new Transformer3D(config)).parameterCount();

describe('batchesOf', () => {
  test('fills the tokens of a batch with images or with clips', () => {
    const [image, clip] = batchesOf(stage({ tokensPerBatch: 1300 }));
    assert.deepEqual([image!.tokens, image!.samples], [16, 81]);
    assert.deepEqual([clip!.tokens, clip!.samples], [5 * 16, 16]);
    // images alone at first, a tenth of the steps after 0.3 of the stage
    near(image!.share, 0.3 * 0.55 + 0.7 * 0.1, 1e-9, 'image share');
  });

  test('leaves a kind out that never comes, and has a sample at least', () => {
    const [only, ...others] = batchesOf(stage({ imageShare: [0, 0], tokensPerBatch: 7 }));
    assert.deepEqual([only!.kind, only!.samples, others.length], ['clip', 1, 0]);
  });
});

describe('sampleFlops', () => {
  const size = { numFrames: 5, width: 64, height: 48 };
  const tokens = 2 * 4 * 3;
  const config = parseTransformerConfig({ ...mini, num_layers: 3 });

  /** Every weight of the built network times how often it is used, and the scores. */
  function byHand(passes: number, blockPasses: number, scorePasses: number): number {
    const model = withParameters({ device: 'meta' }, () => new Transformer3D(config));
    // pixels of frames that each convolution of the adapter puts out
    const area = [64 * 48, 32 * 24, 16 * 12, 8 * 6, 4 * 3];
    const frames = [5, 3, 3, 2, 2];
    let sum = 0;
    for (const [name, { shape, numel }] of model.namedParameters()) {
      if (shape.length < 2) continue;
      const block = Number(/cond_conv\.blocks\.(\d)/.exec(name)?.[1]);
      const level = name.includes('conv_in') ? 0 : name.includes('conv_out') ? 4 : (block + 1) >> 1;
      const isText = /attn2\.[kv]_proj/.test(name);
      const isTime = /time_embedder|norm1\.linear|proj_out_1/.test(name);
      const uses = name.startsWith('cond_conv')
        ? frames[level]! * area[level]!
        : isText
          ? 40
          : isTime
            ? 1
            : tokens;
      const often = name.startsWith('cond_conv') || isText ? passes : blockPasses;
      sum += 2 * numel * uses * often;
    }
    // q k and p v, of the tokens on themselves and on the text
    const scores = 3 * 2 * 2 * tokens * (tokens + 40) * 256;
    return sum + scorePasses * scores;
  }

  test('is every product of the network, three times; those of attention three and a half', () => {
    const { split, whole } = sampleFlops(networks(config), size, { gradCheckpointing: false });
    assert.equal(tokensOf(size), tokens);
    near(split + whole, byHand(3, 3, 3.5), 1e-12, 'operations');
  });

  test('has the blocks forward once more with checkpointing', () => {
    const { split, whole } = sampleFlops(networks(config), size, { gradCheckpointing: true });
    // patches, the last layer and the time embedding are counted with the blocks
    near(split + whole, byHand(3, 4, 4.5), 1e-12, 'operations');
  });

  test('leaves out what tokens skip', () => {
    const of = (tokenRouting?: Stage['tokenRouting']) =>
      sampleFlops(networks(config), size, { gradCheckpointing: false, tokenRouting });
    assert.deepEqual(of({ share: 0, first: 1 }), of());
    // twelve of the tokens skip the second of three blocks
    const half = of({ share: 0.5, first: 1 });
    const products = 2 * 14 * (tokens / 2) * 256 ** 2;
    const scores = 4 * 256 * (tokens * (tokens + 40) - 12 * (12 + 40));
    near(of().split - half.split, 3 * products + 3.5 * scores, 1e-12, 'operations');
    assert.equal(half.whole, of().whole);
  });

  test('counts the network that aligns a block, on the tokens that the block works on', () => {
    const of = (alignment?: Stage['alignment'], share = 0) => {
      const tokenRouting = { share, first: 1 };
      return sampleFlops(networks(config), size, {
        gradCheckpointing: false,
        alignment,
        tokenRouting,
      }).split;
    };
    assert.equal(of({ weight: 0, block: 1, to: 'latents' }), of());
    const head = 3 * 2 * (2 * 256 ** 2 + 256 * 64);
    near(of({ weight: 1, block: 1, to: 'latents' }) - of(), tokens * head, 1e-9, 'operations');
    const scene = 3 * 2 * (2 * 256 ** 2 + 256 * 6);
    near(of({ weight: 1, block: 1, to: 'scene' }) - of(), tokens * scene, 1e-9, 'operations');
    near(
      of({ weight: 1, block: 1, to: 'latents' }, 0.5) - of(undefined, 0.5),
      12 * head,
      1e-9,
      'operations',
    );
  });

  test('has no gradients of weights beside layers of low rank', () => {
    const low = networks(config, lowRank(config));
    const { split } = sampleFlops(low, size, { gradCheckpointing: false });
    const all = sampleFlops(networks(config), size, { gradCheckpointing: false }).split;
    const scores = 3.5 * 3 * 4 * tokens * (tokens + 40) * 256;
    near(split - scores, ((all - scores) * 2) / 3, 1e-12, 'operations');
  });

  test('has gradients of trained weights alone, and of inputs after the first of them', () => {
    const of = (pattern: RegExp, more = {}) => {
      const all = [...wholeTransformer(config), ['text_encoder.w', 1000] as const];
      const trained = new Map(all.filter(([name]) => pattern.test(name)));
      return sampleFlops(networks(config, { trained, ...more }), size, {
        gradCheckpointing: false,
      });
    };
    const [full, none] = [of(/^transformer/), of(/proj_out_2.bias/)];
    const scores = 3 * 4 * tokens * (tokens + 40) * 256;
    // forward alone; the one trained bias is a few of the elements
    near(3 * (none.split - scores), full.split - 3.5 * scores, 1e-4, 'products');
    near(3 * none.whole, full.whole, 1e-4, 'adapter, text, time');
    // the last of three blocks: inputs and weights of a third, without patches and last layer
    const last = of(/transformer_blocks\.2\./);
    const gradients = (last.split - none.split - (2.5 / 3) * scores) / (none.split - scores);
    near(gradients, 2 / 3, 0.01, 'gradients of a third');
    // behind the adapter everything has gradients of inputs
    const adapter = of(/cond_conv/);
    near(adapter.split - 3.5 * scores, 2 * (none.split - scores), 1e-4, 'products');
    // a text encoder runs in each step where it learns
    const more = { textEncoder: { parameters: 1000 } };
    const text = of(/./, more).whole - of(/^transformer/, more).whole;
    near(text, 3 * 2 * 1000 * 40, 1e-9, 'text encoder');
  });

  test('of a long clip is mostly attention, and grows with its square', () => {
    const big = networks(TRANSFORMER_PRESETS['mfm-8b']);
    const of = (numFrames: number) =>
      sampleFlops(big, { numFrames, width: 1280, height: 720 }, { gradCheckpointing: true }).split;
    const growth = of(97) / of(49);
    assert.ok(growth > (25 / 13) ** 1.7 && growth < (25 / 13) ** 2, String(growth));
  });
});

describe('largestShare', () => {
  test('is everything for one, fair where sizes allow it, and never below the largest', () => {
    assert.equal(largestShare([5, 3, 2], 1), 10);
    assert.equal(largestShare([5, 3, 2], 2), 5);
    assert.equal(largestShare([5, 3, 2], 100), 5);
  });

  test('of the 8B sinks to its largest parameter', () => {
    const sizes = [...wholeTransformer(TRANSFORMER_PRESETS['mfm-8b']).values()];
    assert.equal(largestShare(sizes, 512), 6 * 3072 * 3072);
    near(largestShare(sizes, 8), sizes.reduce((a, b) => a + b) / 8, 0.02, 'share of eight');
  });
});

describe('memoryOf', () => {
  const plan = (sharding: 'ddp' | 'zero1' | 'zero2', ranks: number, changes = {}, more = {}) =>
    memoryOf(networks(mini, more), stage(changes), { ranks, sharding, bucketBytes: 2 ** 20 });
  const count = whole(mini);

  test('alone is weights, gradients, masters, moments and averages: 2 + 2 + 4 + 8 + 4 bytes', () => {
    const { weights, gradients, optimizer, frozen } = plan('ddp', 1);
    assert.deepEqual([weights, gradients, optimizer], [2 * count, 2 * count, 16 * count]);
    assert.equal(frozen, 0);
  });

  test('has float32 sums of gradients where there are several processes or passes', () => {
    assert.equal(plan('ddp', 2).gradients, 6 * count);
    assert.equal(plan('ddp', 1, { tokensPerMicroBatch: 160 }).gradients, 6 * count);
  });

  test('shares optimizer state out with zero1, gradients too with zero2', () => {
    const sizes = [...wholeTransformer(mini).values()];
    const owned = largestShare(sizes, 8);
    assert.equal(plan('zero1', 8).optimizer, 16 * owned);
    assert.equal(plan('zero1', 8).gradients, 6 * count);
    const inFlight = 2 * Math.max(2 ** 18, ...sizes);
    assert.equal(plan('zero2', 8).gradients, 4 * owned + 6 * inFlight);
    assert.deepEqual(plan('zero2', 1), plan('ddp', 1));
  });

  test('a teacher is one more copy, and there is none with velocity: data', () => {
    const distillation = { inferenceSteps: 4, flowShare: 0.5, cleanShare: 0.25, difference: 0.1 };
    const frozen = (velocity: 'teacher' | 'data') =>
      memoryOf(
        networks(mini),
        { ...stage(), distillation: { ...distillation, velocity, guidance: {} } },
        { ranks: 1, sharding: 'ddp', bucketBytes: 2 ** 20 },
      ).frozen;
    const flowMap = whole({ ...mini, deltatime_type: 't-r' });
    assert.deepEqual([frozen('teacher'), frozen('data')], [2 * flowMap, 0]);
  });

  test('float32 weights are their own masters', () => {
    const { weights, optimizer } = plan('ddp', 1, {}, { dtype: 'float32' });
    assert.deepEqual([weights, optimizer], [4 * count, 12 * count]);
  });

  test('what Muon updates has one moment', () => {
    const muon = { elements: count / 2, flops: 0 };
    assert.equal(plan('ddp', 1, {}, { muon }).optimizer, 14 * count);
  });

  test('what is not trained has weights alone', () => {
    const more = {
      textEncoder: { parameters: 1000 },
      autoencoder: { parameters: 500 },
      ...lowRank(mini),
    };
    const { weights, gradients, frozen } = plan('ddp', 1, {}, more);
    const added = 8 * 2 * 4 * 2 * 256; // blocks, attentions, rank, both sides
    assert.deepEqual([weights, gradients, frozen], [2 * (count + added), 2 * added, 2 * 1500]);
  });
});

describe('activationBytes', () => {
  /** Bytes beyond weights at the peak of a step, without the gradients that it leaves. */
  function measured(
    config: TransformerConfig,
    frames: number,
    side: number,
    checkpointed: boolean,
    skipped: SkippedBlocks | null = null,
  ) {
    const model = withParameters({ dtype: 'bfloat16' }, () => new Transformer3D(config));
    const bytes = tidy(() => {
      const latents = full([1, 16, (frames + 3) / 4, side / 8, side / 8], 0.1);
      const text = full([1, 40, 128], 0.1, { dtype: 'bfloat16' });
      const [timesteps, motionScores] = [zeros([1]), zeros([1])];
      resetPeakMemory();
      const before = memoryInfo().usedBytes;
      tidy(() => {
        const channel = (count: number) => full([1, count, frames, side, side], 0.1);
        const pixels = cat([channel(3), channel(1)], 1);
        const mask = channel(1);
        const wrapBlock = checkpointed ? checkpoint : undefined;
        const tokens = (((frames + 3) / 4) * side ** 2) / 256;
        const route = skipped && drawRoute([new Generator(1)], tokens, skipped);
        const inputs = { timesteps, motionScores, text, pixels, mask, wrapBlock, route };
        model.predict(latents, inputs).to('float32').square().mean().backward();
      });
      return memoryInfo().peakBytes - before - 2 * model.parameterCount();
    });
    model.dispose();
    return bytes;
  }

  const cases = [
    { gradCheckpointing: false, tokenRouting: { share: 0, first: 1 } },
    { gradCheckpointing: true, tokenRouting: { share: 0, first: 1 } },
    { gradCheckpointing: false, tokenRouting: { share: 0.5, first: 1, last: 2 } },
  ];
  for (const { gradCheckpointing, tokenRouting } of cases) {
    const how = `${gradCheckpointing ? 'with' : 'without'} checkpointing, ${tokenRouting.share} of the tokens skipping blocks`;
    test(`is what a step takes ${how}, within a tenth`, () => {
      const config = parseTransformerConfig({ ...mini, num_layers: 4, num_attention_heads: 8 });
      const [frames, side] = [9, 128];
      const size = { numFrames: frames, width: side, height: side };
      const own = stage({
        ...size,
        gradCheckpointing,
        tokenRouting,
        imageShare: [0, 0],
        tokensPerBatch: 1,
      });
      const [batch] = batchesOf(own);
      const counted = activationBytes(networks(config), own, batch!, 1);
      const skipped = skippedBlocks(tokenRouting, 4);
      near(counted, measured(config, frames, side, gradCheckpointing, skipped), 1 / 10, 'bytes');
    });
  }

  test('is shared out by those who share a sample, but for the adapter', () => {
    const big = networks(TRANSFORMER_PRESETS['mfm-8b']);
    const own = stage({ numFrames: 97, width: 1280, height: 720, imageShare: [0, 0] });
    const [batch] = batchesOf(own);
    const of = (sequenceParallel: number) =>
      activationBytes(big, { gradCheckpointing: true, sequenceParallel }, batch!, 1);
    assert.ok(of(2) < of(1) && of(2) > of(1) / 2, `${of(1)}, ${of(2)}`);
  });
});
