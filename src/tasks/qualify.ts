/**
 * Decides which tasks a sample of a data set can be trained on. Samples that are small, watermarked,
 * blurred or briefly captioned are still used for the tasks that they are good enough for: that is the
 * point of training many tasks at once.
 *
 * Source: the paper, 3.3; the rules and thresholds are ours
 */
import type { SampleFacts } from '../data/sources/facts.js';
import { allTasks, taskOf } from './table.js';
import type { Task } from './task.js';

export interface Thresholds {
  /** least length of the shorter side, pixels; default: 64 */
  minSide?: number;
  /** least variance of the Laplacian; default: 40 */
  minSharpness?: number;
  /** least mean optical flow, pixels per frame; default: 0.05 */
  minMotion?: number;
}

/** Fewest frames of a clip: two latent frames. */
const LEAST_FRAMES = 5;
/** Shortest side of a picture, pixels: one token. */
const LEAST_SIDE = 16;

/**
 * The reasons why a sample cannot be used for a task, a phrase each; empty if it qualifies. Facts that
 * were not measured disqualify no sample. Of a clip, an image task uses the first frame.
 */
export function shortcomings(
  { needs, result }: Pick<Task, 'needs' | 'result'>,
  facts: SampleFacts,
  { minSide = 64, minSharpness = 40, minMotion = 0.05 }: Thresholds = {},
): string[] {
  const found: string[] = [];
  const frames = needs.frames ?? LEAST_FRAMES;
  if (result === 'video' && facts.kind === 'image') return ['is an image'];
  if (Math.min(facts.width, facts.height) < LEAST_SIDE) return [`a side below ${LEAST_SIDE}`];
  if (result === 'video' && facts.numFrames < frames) found.push(`fewer than ${frames} frames`);
  const words = needs.captionWords ?? 0;
  if (facts.captionWords < words) {
    found.push(words === 1 ? 'no caption' : `caption of fewer than ${words} words`);
  }
  if (needs.clean && facts.watermark) found.push('watermark');
  if (needs.clean && facts.text) found.push('text in the picture');
  if (needs.large && !facts.isDrawn && Math.min(facts.width, facts.height) < minSide) {
    found.push(`a side below ${minSide}`);
  }
  if (needs.sharp && facts.sharpness !== null && facts.sharpness < minSharpness) {
    found.push('not sharp');
  }
  if (needs.colourful && facts.colourful === false) found.push('no colours');
  if (needs.moves && facts.motionScore !== null && facts.motionScore < minMotion) {
    found.push('nothing moves');
  }
  if (needs.depth && !facts.hasDepth) found.push('no depth');
  if (needs.edit && !facts.hasEditSource) found.push('no picture before an edit');
  return found;
}

/** The tasks that a sample can be used for. */
export const qualifiedTasks = (facts: SampleFacts, thresholds: Thresholds = {}): Task[] =>
  allTasks().filter((task) => shortcomings(task, facts, thresholds).length === 0);

export interface WeightedTask {
  task: Task;
  weight: number;
}

/**
 * The named tasks with their weights; if none are named, all tasks with their default weights.
 *
 * @param own   user-defined tasks, in addition to those of the table
 * @throws InputError for an unknown task
 */
export function weightedTasks(
  weights?: Readonly<Record<string, number>>,
  own: readonly Task[] = [],
): WeightedTask[] {
  if (!weights) return allTasks(own).map((task) => ({ task, weight: task.weight }));
  return Object.entries(weights).map(([id, weight]) => ({ task: taskOf(id, own), weight }));
}

/** How many samples can be used for a task, and what the others lack. */
export interface TaskTally extends WeightedTask {
  samples: number;
  of: number;
  /** phrases of `shortcomings` with the number of samples that have each, most frequent first */
  lacks: [phrase: string, samples: number][];
}

/** @param samples   facts about samples, each with the number of samples that have exactly these */
export function tallyTask(
  { task, weight }: WeightedTask,
  samples: Iterable<readonly [facts: SampleFacts, count: number]>,
  thresholds: Thresholds = {},
): TaskTally {
  const lacks = new Map<string, number>();
  let [fit, of] = [0, 0];
  for (const [facts, count] of samples) {
    const found = shortcomings(task, facts, thresholds);
    for (const phrase of found) lacks.set(phrase, (lacks.get(phrase) ?? 0) + count);
    if (found.length === 0) fit += count;
    of += count;
  }
  return { task, weight, samples: fit, of, lacks: [...lacks].sort(([, a], [, b]) => b - a) };
}

/**
 * Two lines at most: the number of samples of each task, and the tasks for which no sample qualifies;
 * both with the most frequent reason why samples do not qualify.
 */
export function tallyLines(tallies: readonly TaskTally[]): string[] {
  const used = tallies.filter(({ samples }) => samples > 0);
  const unused = new Map<string, string[]>();
  for (const tally of tallies) {
    if (tally.samples > 0) continue;
    const lack = lackOf(tally);
    unused.set(lack, [...(unused.get(lack) ?? []), tally.task.id]);
  }
  const lines: string[] = [];
  if (used.length > 0) {
    const counts = used.map((tally) => {
      const { task, samples, of } = tally;
      return `${task.id} ${samples} of ${of}${samples < of ? ` (${lackOf(tally)})` : ''}`;
    });
    lines.push(`samples by task: ${counts.join(', ')}`);
  }
  if (unused.size > 0) {
    const groups = [...unused].map(([lack, ids]) => `${ids.join(', ')} (${lack})`);
    lines.push(`tasks without a sample, which are not trained: ${groups.join('; ')}`);
  }
  return lines;
}

/** The most frequent reason why samples do not qualify: `9: no caption`. */
export function lackOf({ lacks: [most] }: Pick<TaskTally, 'lacks'>): string {
  return most ? `${most[1]}: ${most[0]}` : 'there are none of its kind';
}

/** A task's share if one task is drawn by weight for every sample, among those it qualifies for. */
export interface MixEntry extends WeightedTask {
  /** number of samples that qualify */
  samples: number;
  /** share of all draws, 0..1 */
  share: number;
}

/**
 * The mix of tasks that a data set leads to.
 *
 * @returns an entry for each task, and the number of samples that qualify for none
 */
export function taskMix(
  samples: Iterable<SampleFacts>,
  tasks: readonly WeightedTask[],
  thresholds: Thresholds = {},
): { entries: MixEntry[]; unused: number } {
  const entries = tasks.map(({ task, weight }) => ({ task, weight, samples: 0, share: 0 }));
  let [used, unused] = [0, 0];
  for (const facts of samples) {
    const open = entries.filter(({ task }) => shortcomings(task, facts, thresholds).length === 0);
    const total = open.reduce((sum, { weight }) => sum + weight, 0);
    for (const entry of open) {
      entry.samples++;
      entry.share += entry.weight / total;
    }
    if (open.length > 0) used++;
    else unused++;
  }
  for (const entry of entries) entry.share /= Math.max(1, used);
  return { entries, unused };
}
