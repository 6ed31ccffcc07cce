/** Faults after which a run must arrive at bit-identical weights, as if nothing had happened. */
import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { RandomStream } from '../../src/data/random.js';
import { exitCodeOf, type StopSignal } from '../../src/processes/stop-signals.js';
import { blemishOf, type Job, sleep } from './job.js';
import { checkpointsOf, differenceFrom, leftovers, missingSteps, weightsOf } from './run-folder.js';
import { fillDisk } from './setting.js';
import {
  anyMoment,
  firstProblem,
  goesOnProblem,
  lossProblem,
  mess,
  nextStep,
  type Outcome,
  type Standing,
  standingOf,
  startJob,
  type Trial,
} from './trial.js';

/** The result of a fault; null: the job had ended before the fault. */
type Result = (Omit<Outcome, 'kind'> & { says?: RegExp; gaps?: boolean }) | null;

type Fault = (job: Job, trial: Trial) => Promise<Result>;

/** The most seconds that a run may take to stop, on a busy machine. */
const STOP_SECONDS = 30;

async function killed(job: Job, trial: Trial): Promise<Result> {
  if (!(await anyMoment(job, trial))) return null;
  return kill(job, trial);
}

async function kill(job: Job, trial: Trial): Promise<Result> {
  job.kill('SIGKILL');
  const { signal } = await job.end;
  if (signal !== 'SIGKILL') return null;
  const standing = standingOf(trial);
  return {
    problem: firstProblem(blemishOf(job), lossProblem(standing)),
    lostSteps: standing.lostSteps,
  };
}

/** Killed while a checkpoint is being written, as well as that can be timed. */
async function killedSaving(job: Job, trial: Trial): Promise<Result> {
  const folder = join(trial.folder, 'checkpoints');
  if (!(await job.until(() => existsSync(folder)))) return null;
  await sleep(2500 * trial.random.next());
  let writing = false;
  const watcher = watch(folder, (_, name) => {
    writing ||= name?.endsWith('.tmp') === true;
  });
  try {
    // the watcher's events are delivered between two polls
    if (!(await job.until(() => writing))) return null;
  } finally {
    watcher.close();
  }
  await sleep(12 * trial.random.next());
  const result = await kill(job, trial);
  const amid = leftovers(trial.folder).length > 0;
  return result && { ...result, note: amid ? 'while writing' : undefined };
}

const signalled = (signal: StopSignal): Fault => {
  return async (job, trial) => {
    if (!(await anyMoment(job, trial))) return null;
    const sentMs = performance.now();
    job.kill(signal);
    const end = await job.end;
    if (end.code === 0) return null;
    const seconds = (performance.now() - sentMs) / 1000;
    // while the program is still loading, there is nothing to end in an orderly way
    const early = end.signal === signal && job.output === '';
    const { lostSteps } = standingOf(trial);
    const problem = firstProblem(
      !early &&
        end.code !== exitCodeOf(signal) &&
        `ends with ${end.code ?? end.signal}: ${job.output.trim()}`,
      seconds > STOP_SECONDS && `takes ${seconds.toFixed(0)} s to stop`,
      !early && lostSteps > 0 && `loses ${lostSteps} steps`,
      mess(job, trial),
    );
    return { problem, seconds, lostSteps, note: early ? 'while loading' : undefined };
  };
};

/** Its output pipe is closed: it continues, and stops in an orderly way when asked to. */
async function closedPipe(job: Job, trial: Trial): Promise<Result> {
  const { folder } = trial;
  if (!(await anyMoment(job, trial))) return null;
  job.closeOutput();
  if (await nextStep(job, folder, 3)) job.kill('SIGINT');
  const end = await job.end;
  if (end.code === 0) return null;
  const { lostSteps } = standingOf(trial);
  const problem = firstProblem(
    end.code !== exitCodeOf('SIGINT') && `ends with ${end.code ?? end.signal}`,
    lostSteps > 0 && `loses ${lostSteps} steps`,
    mess(job, trial),
  );
  return { problem, lostSteps };
}

/** The newest checkpoint is damaged while no process runs. */
async function damagedCheckpoint(job: Job, trial: Trial): Promise<Result> {
  const result = await killed(job, trial);
  if (!result || result.problem) return result;
  const [newest, before] = checkpointsOf(trial.folder);
  if (!newest || newest.part !== before?.part) return null;
  const name = `${newest.part}-${String(newest.step).padStart(8, '0')}`;
  const how = damage(join(trial.folder, 'checkpoints', name), trial.random);
  const standing = standingOf(trial);
  return {
    problem: lossProblem(standing, 1),
    lostSteps: standing.lostSteps,
    says: new RegExp(`${name}: .*; the one before it is used`),
    note: how,
  };
}

async function damagedCache(job: Job, trial: Trial): Promise<Result> {
  const result = await killed(job, trial);
  const folder = join(trial.folder, 'cache');
  if (!result || result.problem || !existsSync(folder) || readdirSync(folder).length === 0) {
    return null;
  }
  return { ...result, note: damage(folder, trial.random) };
}

/** Flips a bit in a file of the folder, truncates the file or deletes it. */
function damage(folder: string, random: RandomStream): string {
  const files = readdirSync(folder).filter((name) => statSync(join(folder, name)).size > 0);
  const file = random.pick(files);
  const path = join(folder, file);
  const { size } = statSync(path);
  const how = random.pick(['flipped', 'cut', 'deleted']);
  if (how === 'deleted') rmSync(path);
  else if (how === 'cut') truncateSync(path, Math.floor(size * random.next()));
  else {
    const bytes = readFileSync(path);
    bytes[Math.floor(size * random.next())]! ^= 1 << Math.floor(8 * random.next());
    writeFileSync(path, bytes);
  }
  return how;
}

async function fullDisk(job: Job, trial: Trial): Promise<Result> {
  const { setting, random, folder } = trial;
  if (!(await anyMoment(job, trial))) return null;
  const free = fillDisk(setting.folder, random.pick([0, 5000, 300_000]));
  await Promise.race([job.end, sleep(300 + 2200 * random.next())]);
  free();
  // it either continues, or has reported why it ended
  const runs = job.running && (await nextStep(job, folder, 2));
  if (runs) job.kill('SIGINT');
  const end = await job.end;
  if (end.code === 0) return null;
  const standing = standingOf(trial);
  const sentence = job.output.trim().split('\n').at(-1)!;
  const problem = firstProblem(
    runs && end.code !== 130 && `ends with ${end.code ?? end.signal} once there is space again`,
    runs && standing.lostSteps > 0 && `loses ${standing.lostSteps} steps`,
    !runs && ![1, 130].includes(end.code!) && `ends with ${end.code ?? end.signal}: ${sentence}`,
    !runs && end.code === 1 && !/disk is full|no space/.test(job.output) && `says "${sentence}"`,
    blemishOf(job),
  );
  return { problem, lostSteps: standing.lostSteps, gaps: true, note: runs ? 'continued' : 'ended' };
}

async function startedTwice(job: Job, trial: Trial): Promise<Result> {
  const { random, folder } = trial;
  const atOnce = random.chance(0.5);
  if (!atOnce && !(await nextStep(job, folder))) return null;
  const other = startJob(trial);
  const first = await Promise.race([job.end.then(() => job), other.end.then(() => other)]);
  const rest = first === job ? other : job;
  const end = await first.end;
  if (end.code === 0) {
    await rest.end;
    return null;
  }
  const problem = firstProblem(
    !atOnce && first === job && 'ends when a second one is started',
    end.code !== 2 && `ends with ${end.code ?? end.signal}: ${first.output.trim()}`,
    !/is being trained by process \d+/.test(first.output) && `says "${first.output.trim()}"`,
    blemishOf(first),
    !(await nextStep(rest, folder)) && rest.output.includes('being trained') && 'refuses both',
  );
  const result = await kill(rest, trial);
  return {
    ...result,
    problem: firstProblem(problem, result?.problem),
    note: atOnce ? 'at once' : undefined,
  };
}

export const EXACT: Record<string, Fault> = {
  'kill -9': killed,
  'kill -9 during a checkpoint': killedSaving,
  SIGTERM: signalled('SIGTERM'),
  SIGINT: signalled('SIGINT'),
  SIGHUP: signalled('SIGHUP'),
  'closed pipe': closedPipe,
  'damaged checkpoint': damagedCheckpoint,
  'damaged cache': damagedCache,
  'full disk': fullDisk,
  'started twice': startedTwice,
};

/**
 * Does one run with these faults, until it has finished.
 * @returns the faults for which the run was too short
 */
export async function exactTrial(kinds: readonly string[], trial: Trial): Promise<string[]> {
  const { folder, reference } = trial;
  const left = [...kinds];
  let gaps = false;
  let before: { standing: Standing; kind: string; result: NonNullable<Result> } | null = null;
  for (;;) {
    trial.linesBefore = standingOf(trial).lines.length;
    const job = startJob(trial);
    const kind = left[0];
    const result = kind === undefined ? null : await EXACT[kind]!(job, trial);
    const end = result ? null : await job.end;
    if (before) {
      const { standing, kind: last, result: outcome } = before;
      const said = !outcome.says || job.output === '' || outcome.says.test(job.output);
      const early = end === null && standingOf(trial).lines.length === standing.lines.length;
      const problem = firstProblem(
        outcome.problem,
        goesOnProblem(standing, trial),
        !said && !early && `the next start does not say ${outcome.says}`,
      );
      trial.tell({ ...outcome, kind: last, problem });
      before = null;
    }
    if (result) {
      left.shift();
      gaps ||= result.gaps === true;
      before = { standing: standingOf(trial), kind: kind!, result };
      continue;
    }
    if (end?.signal) continue; // killed by a fault that counts as not applied
    const { worst, problem } = differenceFrom(reference, folder);
    const weights = weightsOf(folder);
    const differs = [...reference.weights].find(([file, hash]) => weights.get(file) !== hash);
    const missing = gaps ? [] : missingSteps(reference, folder);
    trial.tell({
      kind: 'finished like the undisturbed run',
      lossDifference: worst,
      problem: firstProblem(
        end?.code !== 0 && `ends with ${end?.code}: ${job.output.trim()}`,
        problem,
        differs && `${differs[0]} differs`,
        missing[0] && `there is no line for ${missing[0]}`,
        mess(job, trial),
      ),
    });
    return left;
  }
}
