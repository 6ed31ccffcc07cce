/** A tiny trainee, and samples for its steps without files or threads. */
import { RandomStream } from '../../src/data/random.js';
import type { Target, Task } from '../../src/tasks/index.js';
import { TASKS, taggedPrompt } from '../../src/tasks/index.js';
import { Generator, manualSeed, noGrad, randn } from '../../src/tensor/index.js';
import type { StepBatch, TrainSample } from '../../src/train/feed/batch.js';
import { fitGiven } from '../../src/train/feed/fit-given.js';
import { tokensOf } from '../../src/train/feed/index.js';
import { buildAutoencoder } from '../../src/train/networks/autoencoder.js';
import {
  buildTrainedPipeline,
  type TrainedPipeline,
} from '../../src/train/networks/trained-pipeline.js';
import { type PipelineRecipe, pipelineRecipe, Recipe } from '../../src/train/recipe/config.js';
import { sampleFor } from '../tasks/same-condition.js';

export const CLIP: Target = { width: 32, height: 48, numFrames: 17 };

/** One layer of one head, float32, 32x48; `transformer` changes its plan. */
export const tinyRecipe = (transformer: object = {}, more: object = {}): PipelineRecipe =>
  pipelineRecipe(
    Recipe.parse({
      name: 'tiny',
      dtype: 'float32',
      autoencoder: { blockOutChannels: [8, 8, 8, 8] },
      textEncoder: { width: 32, numLayers: 1 },
      transformer: {
        steps: 1,
        numLayers: 1,
        numHeads: 1,
        adapterChannels: [8, 8, 8, 8, 8],
        ...CLIP,
        ...transformer,
      },
      ...more,
    }),
  );

/** A fresh transformer's last layer is zero, and lets no gradient through: all weights are moved. */
export function tinyTrainee(recipe = tinyRecipe()): TrainedPipeline {
  const trainee = buildTrainedPipeline(
    { recipe, autoencoder: buildAutoencoder(recipe, 'float32'), dtype: 'float32', tasks: ['t2v'] },
    1,
  );
  manualSeed(1);
  noGrad(() => {
    for (const weight of trainee.pipeline.transformer.parameters()) {
      weight.add_(randn(weight.shape).mul(0.02));
    }
  });
  return trainee;
}

/** A scene of MiniWorld as the feed gives it, with latents that are noise. */
export function tinySample(index: number, task: Task, changes: Partial<TrainSample> = {}) {
  const sample = sampleFor(task, index);
  const target = { ...CLIP, numFrames: sample.clip.numFrames };
  const { caption } = sample;
  const given = task.inputs.length
    ? fitGiven(task.fromSample(sample, new RandomStream(index, 'given')), target)
    : null;
  const frames = (target.numFrames - 1) / 4 + 1;
  const shape = [1, 16, frames, target.height / 8, target.width / 8];
  const latents = randn(shape, { generator: new Generator(index) }).to('bfloat16');
  const prompt = taggedPrompt(caption, task);
  const made: TrainSample = {
    where: `scene ${index}`,
    index,
    task,
    caption,
    prompt,
    given,
    latents,
    motionScore: index,
    ...changes,
  };
  return made;
}

/** A batch of as many clips as there are tasks. */
export function tinyBatch(tasks: readonly Task[] = [TASKS.t2v, TASKS.i2v, TASKS.vinp, TASKS.t2v]) {
  const samples = tasks.map((task, index) => tinySample(index, task));
  const numFrames = tasks[0]!.result === 'image' ? 1 : CLIP.numFrames;
  const target = { ...CLIP, numFrames };
  const batch: StepBatch = {
    kind: numFrames === 1 ? 'image' : 'clip',
    target,
    samples,
    count: samples.length,
    tokens: tokensOf(target),
    position: { step: 1 },
  };
  return batch;
}
