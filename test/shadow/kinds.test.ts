/** All kinds of training on a second device: distillation, depth models, LoRA, what makes samples teach more. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { setThreads } from '../../src/tensor/index.js';
import { type RecipeInput, train } from '../../src/train/index.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';
import { saveTinyDepthModel } from '../models/depth-anything/tiny.js';
import { temporaryFolder } from '../temp-folder.js';
import { TINY_AUTOENCODER, TINY_TEXT_ENCODER, TINY_TRANSFORMER } from '../train/tiny-parts.js';
import { expectSameFigures } from './figures.js';
import { noShadow, SHADOW } from './shadow.js';

const root = temporaryFolder();

const shared: RecipeInput = {
  name: 'tiny',
  dtype: 'float32',
  data: [{ miniworld: { clips: 4, images: 4 } }],
  validationSamples: 1,
};
const autoencoder = {
  ...TINY_AUTOENCODER,
  steps: 1,
  batches: [{ numFrames: 5, batchSize: 1 }],
};
const transformer = {
  ...TINY_TRANSFORMER,
  tokensPerBatch: 8,
  logEverySteps: 1,
  tasks: { t2i: 1, i2v: 1 },
  imageShare: [0.5, 0.5] as [number, number],
  steps: 2,
};

const kinds: Record<string, RecipeInput> = {
  'a distillation, whose guided teacher takes depth': {
    ...shared,
    autoencoder,
    textEncoder: TINY_TEXT_ENCODER,
    transformer,
    distillation: { steps: 3, logEverySteps: 1, warmupSteps: 1, learningRate: 0.01 },
    pipeline: { guidanceScale: 3, numInferenceSteps: 2 },
  },
  'what makes a sample teach more, with Muon': {
    ...shared,
    validationSamples: 0,
    autoencoder,
    textEncoder: TINY_TEXT_ENCODER,
    transformer: {
      ...transformer,
      width: 32,
      height: 32,
      numLayers: 3,
      tokensPerBatch: 32,
      tokensPerMicroBatch: 16,
      tokenRouting: { share: 0.5 },
      alignment: { weight: 0.5, to: 'scene' },
      contrast: 0.05,
      optimizer: { name: 'muon' },
    },
  },
  'a depth model': {
    ...shared,
    depthModel: {
      steps: 2,
      logEverySteps: 1,
      width: 32,
      height: 32,
      patchSize: 8,
      hiddenSize: 32,
      numLayers: 4,
      numHeads: 2,
      batchSize: 2,
    },
  },
  'bfloat16, with float32 masters': {
    ...shared,
    validationSamples: 0,
    dtype: 'bfloat16',
    autoencoder,
    textEncoder: TINY_TEXT_ENCODER,
    transformer,
  },
};

describe('on a second device', { skip: noShadow }, () => {
  before(() => {
    setThreads(1);
    saveTinyPipeline(join(root, 'base'), { usesDepth: true });
    saveTinyDepthModel(join(root, 'depth'));
    const { numLayers, numHeads, adapterChannels, ...more } = transformer;
    kinds['LoRA layers, with depth that a model estimates'] = {
      ...shared,
      base: join(root, 'base'),
      depth: { from: 'model', model: join(root, 'depth') },
      transformer: {
        ...more,
        lora: { rank: 2, alpha: 2, targets: ['q_proj', 'v_proj'] },
      },
    };
  });

  async function expectSame(kind: string, tolerance?: number): Promise<void> {
    const runs = await Promise.all(
      ['cpu', SHADOW].map(async (device) => {
        const run = join(root, kind.replaceAll(/\W+/g, '-'), device.slice(0, 3));
        return { run, device };
      }),
    );
    for (const { run, device } of runs) {
      assert.ok((await train(kinds[kind]!, { run, device, workers: 1 })).finished);
    }
    expectSameFigures(runs[1]!.run, runs[0]!.run, tolerance);
  }

  for (const kind of Object.keys(kinds)) {
    // 16-bit weights are rounded in other places; Muon makes small singular values larger
    const tolerance = /bfloat16|Muon/.test(kind) ? 0.1 : undefined;
    test(`${kind}: figures are the CPU's`, () => expectSame(kind, tolerance));
  }

  test("LoRA layers, with depth that a model estimates: figures are the CPU's", () =>
    expectSame('LoRA layers, with depth that a model estimates'));
});
