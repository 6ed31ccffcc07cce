/** The tasks of a stage, and its images and clips. */
import { type WeightedTask, weightedTasks } from '../tasks/index.js';
import type { Stage } from './config.js';

/** Those that the stage names, else all; which of them a sample is used for, its facts say. */
export const trainedTasks = ({ tasks }: Pick<Stage, 'tasks'>): WeightedTask[] =>
  weightedTasks(tasks);

/** Images only at first, then fewer and fewer until clips are mixed in fully. */
export function imageShareAt(
  done: number,
  { imageShare, mixAt }: Pick<Stage, 'imageShare' | 'mixAt'>,
): number {
  const [first, last] = imageShare;
  const mixed = mixAt === 0 ? 1 : Math.min(1, done / mixAt);
  return first + (last - first) * mixed;
}

/** The same, over the whole stage. */
export function meanImageShare({
  imageShare: [first, last],
  mixAt,
}: Pick<Stage, 'imageShare' | 'mixAt'>): number {
  return (mixAt * (first + last)) / 2 + (1 - mixAt) * last;
}
