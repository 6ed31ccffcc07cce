/** Shared by all faults: the run under test, and what is checked before and after. */
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
  /** the run's folder */
  folder: string;
  random: RandomStream;
  /** number of step lines when the current process started: only later steps count as lost */
  linesBefore: number;
  /** seconds from a start to its first step */
  startSeconds: number;
  tell(outcome: Outcome): void;
}

export interface Outcome {
  kind: string;
  /** null if everything went as it should */
  problem: string | null;
  /** steps that have to be repeated */
  lostSteps?: number;
  /** the largest relative difference of a step's loss */
  lossDifference?: number;
  /** time until the process had ended */
  seconds?: number;
  note?: string;
}

export const startJob = ({ setting, folder }: Trial, ...more: string[]): Job =>
  new Job(['train', setting.recipe, '--run', folder, '--resume', '--workers', '1', ...more]);

/** The progress of a run according to its files. */
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

/** Was more lost than the steps since the last checkpoint due? `spoilt`: number of damaged ones. */
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

/** Does the next process continue right after the newest checkpoint? */
export function goesOnProblem(before: Standing, { folder }: Trial): string | null {
  const next = linesOf(folder).filter(isStep)[before.lines.length];
  if (!next || !before.stored) return null;
  const { part, step } = before.stored;
  const follows = next.part === part ? next.step === step + 1 : next.step === 1;
  return follows ? null : `continues with ${next.part} ${next.step} after ${part} ${step}`;
}

/** Waits for a random moment during the job's start or some steps later; false if it has ended. */
export async function anyMoment(job: Job, trial: Trial): Promise<boolean> {
  const { random, startSeconds, folder } = trial;
  if (random.chance(0.2)) await sleep(1000 * startSeconds * random.next());
  else {
    await nextStep(job, folder);
    await sleep(1500 * random.next());
  }
  return job.running;
}

/** Waits until `steps` more lines have been written. */
export function nextStep(job: Job, folder: string, steps = 1): Promise<boolean> {
  const known = linesOf(folder).length;
  return job.until(() => linesOf(folder).length >= known + steps);
}

export const firstProblem = (...problems: (string | null | false | undefined)[]): string | null =>
  problems.find((problem) => problem) || null;

/** Something that a job printed or left behind although it should not have; null if nothing. */
export const mess = (job: Job, { folder }: Trial): string | null => {
  const blemish = blemishOf(job);
  if (blemish) return blemish;
  const [left] = leftovers(folder);
  return left ? `leaves ${left}` : null;
};
