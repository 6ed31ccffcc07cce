/**
 * The status.json of a run, and a summary of the run as seen from outside.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, type Stats } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { InputError } from '../../errors.js';
import { holderOf } from './lock.js';
import { kindOf, lastOf, type PartMetrics, readMetrics } from './metrics.js';

/** The content of runs/NAME/status.json, which is rewritten whenever it changes. */
export interface RunStatus {
  state: 'running' | 'stopped' | 'finished' | 'failed';
  part: string;
  /** the current stage, if the recipe has stages */
  stage?: string;
  step: number;
  /** number of steps in all; 0 before the first part */
  steps: number;
  /** the current activity, if it is not training: `encoding latents` */
  doing?: string;
  /** ISO 8601 */
  updated: string;
  pid: number;
  host: string;
  /** for instance, why it failed */
  message?: string;
}

/** `lost`: the status says that it is running, but it is not. `unknown`: there is no status. */
export type RunState = RunStatus['state'] | 'lost' | 'unknown';

export interface RunSummary {
  name: string;
  folder: string;
  state: RunState;
  part: string | null;
  stage: string | null;
  doing: string | null;
  step: number | null;
  steps: number | null;
  /** the part's figure of that name, or the mean over all figures of that kind; smoothed */
  loss: number | null;
  validation: number | null;
  samplesPerSecond: number | null;
  /** milliseconds since 1970 */
  updatedMs: number | null;
  sizeBytes: number;
  message: string | null;
}

export const isRun = (folder: string): boolean =>
  existsSync(join(folder, 'recipe.json')) || existsSync(join(folder, 'status.json'));

/**
 * What is known about a run, with or without a status.json.
 * @param metrics  the content of its metrics.jsonl, if it has been read already
 */
export function summariseRun(folder: string, { metrics = readMetrics(folder) } = {}): RunSummary {
  const status = readStatus(folder);
  const last = [...metrics].sort((a, b) => b.timeMs - a.timeMs)[0];
  const own = status ? metrics.find(({ part }) => part === status.part) : last;
  const part = status?.part ?? own?.part ?? null;
  return {
    name: basename(resolve(folder)),
    folder,
    state: status ? stateOf(folder, status) : stateWithout(folder),
    part,
    stage: status?.stage ?? null,
    doing: status?.doing ?? null,
    step: status?.steps ? status.step : (own?.step ?? null),
    steps: status?.steps || plannedSteps(folder, part),
    loss: lossOf(own, 'loss'),
    validation: lossOf(own, 'validation'),
    samplesPerSecond: lastOf('samplesPerSecond', own?.figures.get('samplesPerSecond')),
    updatedMs: status ? Date.parse(status.updated) : (last?.timeMs ?? null),
    sizeBytes: sizeOf(folder),
    message: status?.message ?? null,
  };
}

/**
 * The recipe.json of a run; null if there is none.
 * @throws InputError naming the file if it is damaged
 */
export function readRecipeOf(folder: string): unknown {
  const path = join(folder, 'recipe.json');
  if (!existsSync(path)) return null;
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new InputError(
      `${path}: is damaged (${(cause as Error).message}); restore it, or leave this run out`,
      { cause },
    );
  }
}

/** Null if there is none, or it cannot be read: a status only informs, and no run depends on it. */
export function readStatus(folder: string): RunStatus | null {
  try {
    const status = JSON.parse(readFileSync(join(folder, 'status.json'), 'utf8')) as RunStatus;
    const whole =
      STATES.includes(status.state) &&
      [status.step, status.steps, Date.parse(status.updated)].every(Number.isFinite);
    return whole ? status : null;
  } catch {
    return null;
  }
}

const STATES: readonly string[] = ['running', 'stopped', 'finished', 'failed'];

/** Is a process training the run in this folder? */
export const isTrainedNow = (folder: string): boolean =>
  readStatus(folder)?.state === 'running' && holderOf(folder) !== null;

const stateOf = (folder: string, { state }: RunStatus): RunState =>
  state === 'running' && !holderOf(folder) ? 'lost' : state;

/** Without a status: the pipeline is written last, so a run that has one is finished. */
const stateWithout = (folder: string): RunState =>
  existsSync(join(folder, 'pipeline', 'model_index.json')) ? 'finished' : 'unknown';

function plannedSteps(folder: string, part: string | null): number | null {
  try {
    const recipe = readRecipeOf(folder) as Record<string, { steps?: unknown }> | null;
    const steps = part === null ? undefined : recipe?.[part]?.steps;
    return typeof steps === 'number' ? steps : null;
  } catch {
    return null; // the list shows what it can; a comparison reads the recipe itself
  }
}

function lossOf(metrics: PartMetrics | undefined, kind: 'loss' | 'validation'): number | null {
  const whole = metrics?.figures.get(kind) ?? metrics?.figures.get(`${kind}/absrel`);
  if (whole) return lastOf(kind, whole);
  const values = [...(metrics?.figures ?? [])]
    .filter(([name]) => kindOf(name) === kind)
    .map(([name, points]) => lastOf(name, points)!);
  if (values.length === 0) return null;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Bytes of all files in a folder; files that vanish meanwhile count as 0. */
function sizeOf(path: string): number {
  let stats: Stats | undefined;
  let names: string[] = [];
  try {
    stats = lstatSync(path);
    if (stats.isDirectory()) names = readdirSync(path);
  } catch {
    return 0;
  }
  if (!stats.isDirectory()) return stats.size;
  return names.reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}
