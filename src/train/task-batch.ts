/** Which task each sample of a batch is used for, and the batch as the networks take it. */
import {
  type Condition,
  conditionOf,
  NOTHING,
  promptFor,
  taggedPrompt,
  type WeightedTask,
} from '../tasks/index.js';
import { cat, type Tensor, tensor } from '../tensor/index.js';
import { drawWeighted, stepRandom } from './batches.js';
import type { Recipe } from './config.js';
import type { EncodedSample } from './latents.js';

/** One batch as the networks take it. */
export interface TaskBatch {
  tasks: string[];
  prompts: string[];
  /** [B, C, f, h, w] */
  latents: Tensor;
  /** [1 + K, 4, F, H, W]: first of all the condition that knows nothing, then K that differ */
  pixels: Tensor;
  /** [1 + K, 1, F, H, W] */
  mask: Tensor;
  /** [B] int64: the condition of each sample */
  conditionRows: Tensor;
  motionScores: number[];
}

/** What a batch is drawn by. */
export interface BatchPlan {
  tasks: readonly WeightedTask[];
  textDropout: Recipe['transformer']['textDropout'];
  conditionDropout: number;
  seed: number;
}

/** Draws a task for each sample and builds its condition and prompt. */
export function assemble(samples: EncodedSample[], step: number, plan: BatchPlan): TaskBatch {
  const random = stepRandom(plan.seed, step, 'tasks');
  const target = samples[0]!.sample.clip;
  const result = target.numFrames === 1 ? 'image' : 'video';
  const choices = plan.tasks.filter(({ task }) => task.result === result);

  const tasks: string[] = [];
  const prompts: string[] = [];
  // samples of which nothing is known share one pass through the adapter
  const conditions: Condition[] = [conditionOf(NOTHING, target)];
  const rows: number[] = [];
  for (const { sample } of samples) {
    const { task } = drawWeighted(random, choices);
    tasks.push(task.id);
    // without prompt, or without condition, now and then: guidance needs both
    const silent = random.chance(plan.textDropout[result]);
    prompts.push(silent ? '' : taggedPrompt(promptFor(task, sample), task));
    if (task.inputs.length === 0 || random.chance(plan.conditionDropout)) {
      rows.push(0);
    } else {
      rows.push(conditions.length);
      conditions.push(conditionOf(task.fromSample(sample, random), target));
    }
  }
  const stack = (part: keyof Condition) => cat(conditions.map((condition) => condition[part]));
  return {
    tasks,
    prompts,
    latents: cat(samples.map(({ latents }) => latents)).to('float32'),
    pixels: cat([stack('pixels'), stack('depth')], 1),
    mask: stack('mask'),
    conditionRows: tensor(rows, { dtype: 'int64' }),
    motionScores: samples.map(({ motionScore }) => motionScore),
  };
}

/** The mean of each task's samples. */
export function meansByTask(tasks: string[], losses: Float32Array): Record<string, number> {
  const sums = new Map<string, { sum: number; count: number }>();
  tasks.forEach((task, i) => {
    const entry = sums.get(task) ?? { sum: 0, count: 0 };
    sums.set(task, { sum: entry.sum + losses[i]!, count: entry.count + 1 });
  });
  return Object.fromEntries([...sums].map(([task, { sum, count }]) => [task, sum / count]));
}
