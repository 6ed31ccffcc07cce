/** The tasks of a recipe: which of them its data are good enough for, and how often each is drawn. */
import type { SampleFacts } from '../data/facts.js';
import { sceneFacts } from '../data/miniworld/sample.js';
import {
  type MixEntry,
  shortcomings,
  type Task,
  taskMix,
  type WeightedTask,
  weightedTasks,
} from '../tasks/index.js';
import type { Recipe } from './config.js';

/** Those that are trained: the ones that the recipe names, else all that its data are enough for. */
export function trainedTasks(recipe: Recipe): WeightedTask[] {
  return weightedTasks(recipe.transformer.tasks).filter(
    ({ task }) => lacking(task, recipe).length === 0,
  );
}

/** What the recipe's data lack for a task, a phrase each. */
export function lacking(task: Task, recipe: Recipe): string[] {
  return shortcomings(task, factsOf(recipe, task.result), thresholdsOf(recipe));
}

/** A sample for each kind of task stands for all: scenes of MiniWorld differ in nothing that counts. */
export function factsOf({ miniworld, latents }: Recipe, result: Task['result']): SampleFacts {
  const { width, height } = miniworld;
  return sceneFacts({ width, height, numFrames: result === 'image' ? 1 : latents.numFrames });
}

/** Large enough is what is as large as the pictures that are trained. */
const thresholdsOf = ({ miniworld: { width, height } }: Recipe) => ({
  minSide: Math.min(width, height),
});

/** How often each task is drawn for an image and for a clip. */
export function mixOf(recipe: Recipe): Record<Task['result'], MixEntry[]> {
  const entries = (result: Task['result']) => {
    const tasks = trainedTasks(recipe).filter(({ task }) => task.result === result);
    return taskMix([factsOf(recipe, result)], tasks, thresholdsOf(recipe)).entries;
  };
  return { image: entries('image'), video: entries('video') };
}

/** Images only at first, then fewer and fewer until clips are mixed in fully. */
export function imageShare(done: number, { transformer: plan }: Recipe): number {
  const [first, last] = plan.imageShare;
  const mixed = plan.mixAt === 0 ? 1 : Math.min(1, done / plan.mixAt);
  return first + (last - first) * mixed;
}

/** The same, over the whole run. */
export function meanImageShare({ transformer: { imageShare: shares, mixAt } }: Recipe): number {
  const [first, last] = shares;
  return (mixAt * (first + last)) / 2 + (1 - mixAt) * last;
}
