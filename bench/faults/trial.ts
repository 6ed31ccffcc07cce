/** What all faults share: the run that is harmed, and what is checked before and after. */
import type { RandomStream } from '../../src/data/random.js';
import { blemishOf, Job, sleep } from './job.js';
import {
  checkpointsOf,
  isStep,
  type Line,
  leftovers,
  linesOf,
  type Reference,
  type Stored,
} from './run-folder.js';
import { CHECKPOINT_SECONDS, type Setting } from './setting.js';

export interface Trial {
  setting: Setting;
  reference: Reference;
  /** of the run */
  folder: string;
  random: RandomStream;
  /** lines of steps when the present process started: what it loses comes after them */
  linesBefore: number;
  /** seconds from a start to its first step */
  startSeconds: number;
  tell(outcome: Outcome): void;
}

export interface Outcome {
  kind: string;
  /** null: all went as it should */
  problem: string | null;
  /** steps that have to be done again */
  lostSteps?: number;
  /** of a step's loss, relative */
  lossDifference?: number;
  /** until the process had ended */
  seconds?: number;
  note?: string;
}

export const startJob = ({ setting, folder }: Trial, ...more: string[]): Job =>
  new Job(['train', setting.recipe, '--run', folder, '--resume', '--workers', '1', ...more]);

/** Where a run stands, by its files. */
export interface Standing {
  lines: Line[];
  last: Line | undefined;
  stored: Stored | undefined;
  lostSteps: number;
}

export function standingOf({ folder, linesBefore }: Trial): Standing {
  const lines = linesOf(folder).filter(isStep);
  const last = lines.at(-1);
  const [stored] = checkpointsOf(folder);
  const since = stored && stored.part === last?.part ? stored.step : 0;
  const lostSteps = lines.length > linesBefore ? Math.max(0, last!.step - since) : 0;
  return { lines, last, stored, lostSteps };
}

/** Has more been lost than the steps since a checkpoint that was due? `spoilt`: checkpoints damaged. */
export function lossProblem(
  { lines, last, stored, lostSteps }: Standing,
  spoilt = 0,
): string | null {
  if (!last || !stored || lostSteps === 0 || last.part !== stored.part) return null;
  const seconds = Number(last.seconds) - stored.seconds;
  const again = lines.filter(({ part, step }) => part === last.part && step > stored.step);
  const times = [stored.seconds, ...again.map((line) => Number(line.seconds))];
  const steps = times.slice(1).map((time, i) => time - times[i]!);
  const bound = (CHECKPOINT_SECONDS + 2 * Math.max(0, ...steps)) * (1 + spoilt);
  return seconds <= bound ? null : `loses ${seconds.toFixed(1)} s of training, ${lostSteps} steps`;
}

/** Does the process that went on begin right after the checkpoint that was there? */
export function goesOnProblem(before: Standing, { folder }: Trial): string | null {
  const next = linesOf(folder).filter(isStep)[before.lines.length];
  if (!next || !before.stored) return null;
  const { part, step } = before.stored;
  const follows = next.part === part ? next.step === step + 1 : next.step === 1;
  return follows ? null : `goes on with ${next.part} ${next.step} after ${part} ${step}`;
}

/** A moment while the job starts, or some steps later; false if it had ended before. */
export async function anyMoment(job: Job, trial: Trial): Promise<boolean> {
  const { random, startSeconds, folder } = trial;
  if (random.chance(0.2)) await sleep(1000 * startSeconds * random.next());
  else {
    await nextStep(job, folder);
    await sleep(1500 * random.next());
  }
  return job.running;
}

/** Until one more step is written down. */
export function nextStep(job: Job, folder: string, steps = 1): Promise<boolean> {
  const known = linesOf(folder).length;
  return job.until(() => linesOf(folder).length >= known + steps);
}

export const firstProblem = (...problems: (string | null | false | undefined)[]): string | null =>
  problems.find((problem) => problem) || null;

/** What a job left behind that it should not. */
export const mess = (job: Job, { folder }: Trial): string | null => {
  const blemish = blemishOf(job);
  if (blemish) return blemish;
  const [left] = leftovers(folder);
  return left ? `leaves ${left}` : null;
};
