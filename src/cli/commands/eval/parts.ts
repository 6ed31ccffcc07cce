/** Chooses the tasks to evaluate, and their trials. */
import { InputError } from '../../../errors.js';
import { BENCHMARK_NOTES, BENCHMARK_TASKS } from '../../../eval/benchmark.js';
import { itemParts } from '../../../eval/items.js';
import { CASES, MIXTURES } from '../../../eval/mixtures.js';
import type { Part } from '../../../eval/report.js';
import { heldOutTrials } from '../../../eval/scenes.js';
import type { PipelineSettings } from '../../../pipeline/index.js';
import { loadTasks, TASK_IDS, type Task, taskOf } from '../../../tasks/index.js';
import { withoutFile } from '../../options/own-tasks.js';
import type { EvalOptions } from './options.js';

const SCENES = 20;

/**
 * The tasks asked for, by name or by a file that declares them; otherwise all that the pipeline was
 * trained on. With a benchmark, only those that it has.
 * @throws InputError for an unknown task, or if none are left
 */
export async function tasksFor(
  { tasks, benchmark }: Pick<EvalOptions, 'tasks' | 'benchmark'>,
  trained: readonly string[] = TASK_IDS,
): Promise<Task[]> {
  const has = (task: Task) => !benchmark || BENCHMARK_TASKS.includes(task);
  if (tasks === undefined) {
    const missing = trained.find((id) => !(TASK_IDS as readonly string[]).includes(id));
    if (missing !== undefined) {
      throw new InputError(
        `the pipeline ${withoutFile(missing)} among --tasks, or only tasks of mfm, e.g. --tasks t2v`,
      );
    }
    const all = trained.flatMap((id) => withMixtures(taskOf(id))).filter(has);
    if (all.length > 0) return all;
    throw new InputError(
      `--benchmark mfm: has none of the tasks that the pipeline was trained on (${trained.join(', ')}); name others with --tasks`,
    );
  }
  const named = [...new Set(tasks.split(',').map((name) => name.trim()))].filter(Boolean);
  if (named.length === 0) throw new InputError('--tasks: must name a task, e.g. t2v,vsr');
  const files = await Promise.all(named.filter(isModule).map((path) => loadTasks(path)));
  const own = files.flatMap((file) => file.tasks);
  const names = named.filter((name) => !isModule(name));
  const chosen = new Set([...names.map((name) => taskOf(name, [...CASES, ...own])), ...own]);
  return [...chosen].map((task) => {
    if (has(task)) return task;
    const ids = BENCHMARK_TASKS.map(({ id }) => id).join(', ');
    throw new InputError(`--tasks: ${task.id} is not in the benchmark; it has ${ids}`);
  });
}

/** A task with the fixed cases of it that are measured too. */
const withMixtures = (task: Task): Task[] => (task.placed ? [task, ...MIXTURES] : [task]);

/** The files among `--tasks`. */
export const taskFiles = (tasks = ''): string[] =>
  tasks
    .split(',')
    .map((name) => name.trim())
    .filter(isModule);

const isModule = (name: string): boolean => /\.[cm]?[jt]s$/.test(name);

export interface Parts {
  parts: Part[];
  /** where the trials come from, in words */
  source: string;
  /** text that changes with the items of a data set; '' for scenes of MiniWorld */
  items: string;
  notes: string[];
}

/** The trials of each task. @throws InputError if the files cannot be used */
export async function partsFor(
  tasks: readonly Task[],
  options: EvalOptions,
  settings: PipelineSettings,
  signal: AbortSignal,
): Promise<Parts> {
  const { manifest, benchmark, clips, scenes } = options;
  if (benchmark) {
    const segments = options.segments ?? 1;
    const limits = { settings, segments, limit: scenes ?? null, signal };
    const { parts, identity: items, notes } = await itemParts(clips!, tasks, limits);
    const { width, height, numFrames } = settings;
    return {
      parts,
      source: `segments of ${numFrames} frames at ${width}x${height} of the clips in ${clips}, ${segments} of each`,
      items,
      notes: [...BENCHMARK_NOTES, ...notes],
    };
  }
  if (manifest !== undefined) {
    const limits = { settings, segments: null, limit: scenes ?? null, signal };
    const { parts, identity: items, notes } = await itemParts(manifest, tasks, limits);
    return { parts, notes, items, source: `items of ${manifest}` };
  }
  const count = scenes ?? SCENES;
  const parts = tasks.map((task) => ({ task, trials: heldOutTrials(task, count, settings) }));
  return { parts, source: 'held-out scenes of MiniWorld', items: '', notes: [] };
}
