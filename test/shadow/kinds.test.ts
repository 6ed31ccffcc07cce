/** All kinds of training on a second device: depth models, distillation, LoRA, what makes samples teach more. */
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

const shared = {
  name: 'tiny',
  dtype: 'float32' as const,
  data: [{ miniworld: { clips: 4, images: 4 } }],
  validationSamples: 1,
};
const stage = {
  width: 32,
  height: 32,
  numFrames: 5,
  tokensPerBatch: 32,
  tokensPerMicroBatch: 16,
  logEverySteps: 1,
  tasks: { t2i: 1, i2v: 1 },
  imageShare: [0.5, 0.5] as [number, number],
  steps: 2,
};

/** Everything that a run from scratch can do in turn. */
const fromScratch: RecipeInput = {
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
  autoencoder: { ...TINY_AUTOENCODER, steps: 1, batches: [{ numFrames: 5, batchSize: 1 }] },
  textEncoder: TINY_TEXT_ENCODER,
  transformer: {
    ...TINY_TRANSFORMER,
    ...stage,
    numLayers: 3,
    tokenRouting: { share: 0.5 },
    alignment: { weight: 0.5, to: 'scene' },
    contrast: 0.05,
    optimizer: { name: 'muon' },
  },
  distillation: { steps: 3, logEverySteps: 1, warmupSteps: 1, learningRate: 0.01 },
  pipeline: { guidanceScale: 3, numInferenceSteps: 2 },
};

/** LoRA layers in bfloat16 with float32 masters, and depth that a model estimates. */
const fineTuning: RecipeInput = {
  ...shared,
  dtype: 'bfloat16',
  base: join(root, 'base'),
  depth: { from: 'model', model: join(root, 'depth') },
  transformer: { ...stage, lora: { rank: 2, alpha: 2, targets: ['q_proj', 'v_proj'] } },
};

describe('on a second device', { skip: noShadow }, () => {
  before(() => {
    setThreads(1);
    saveTinyPipeline(join(root, 'base'), { usesDepth: true });
    saveTinyDepthModel(join(root, 'depth'));
  });

  async function expectSame(recipe: RecipeInput, name: string, tolerance: number): Promise<void> {
    const [here, there] = [join(root, name, 'here'), join(root, name, 'there')];
    assert.ok((await train(recipe, { run: here, device: 'cpu', workers: 1 })).finished);
    assert.ok((await train(recipe, { run: there, device: SHADOW, workers: 1 })).finished);
    expectSameFigures(there, here, { tolerance });
  }

  // Muon makes small singular values, and what rounding adds to them, much larger
  test('a depth model, all that makes samples teach more, and a distillation are the same', () =>
    expectSame(fromScratch, 'scratch', 0.05));

  // weights of 16 bits are rounded in other places
  test('fine-tuning by LoRA is the same', () => expectSame(fineTuning, 'lora', 0.05));
});
