/** Faults in training data or in the set of processes: runs must finish and report them. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { exitCodeOf } from '../../src/processes/stop-signals.js';
import { blemishOf, Job, sleep } from './job.js';
import { differenceFrom, linesOf, missingSteps, weightsOf } from './run-folder.js';
import { HANG_SECONDS } from './setting.js';
import {
  firstProblem,
  mess,
  nextStep,
  type Outcome,
  standingOf,
  startJob,
  type Trial,
} from './trial.js';

type Result = Omit<Outcome, 'kind'>;

/** A data file disappears, is truncated or overwritten during training. */
async function dataFile(trial: Trial): Promise<Result> {
  const { setting, folder, random } = trial;
  const { media, reading } = setting;
  const job = new Job(['train', reading, '--run', folder, '--resume', '--workers', '1']);
  await nextStep(job, folder, 1 + Math.floor(10 * random.next()));
  const file = random.pick(readdirSync(media).filter((name) => !name.endsWith('.txt')));
  const path = join(media, file);
  const bytes = readFileSync(path);
  const how = random.pick(['gone', 'cut', 'garbage']);
  if (how === 'gone') renameSync(path, `${path}.away`);
  else if (how === 'cut') truncateSync(path, Math.floor(bytes.length * 0.4 * random.next()));
  else
    writeFileSync(
      path,
      bytes.map(() => Math.floor(256 * random.next())),
    );
  const end = await job.end;
  if (how === 'gone') renameSync(`${path}.away`, path);
  else writeFileSync(path, bytes);
  const said = new RegExp(`${file.replace('.', '\\.')}: is left out \\(.*\\); \\d+ so far`);
  const problem = firstProblem(
    end.code !== 0 && `ends with ${end.code ?? end.signal}: ${job.output.trim()}`,
    !said.test(job.output) && `does not name ${file}, which is ${how}: ${job.output.trim()}`,
    mess(job, trial),
  );
  return { problem, note: how };
}

/** Changes stored latents, as defective data or numerics would; the result undoes it. */
function poison(folder: string, change: (value: Float32Array) => void, most: number): () => void {
  const cache = join(folder, 'cache');
  const before = readdirSync(cache).map((name) => [name, readFileSync(join(cache, name))] as const);
  let changed = 0;
  for (const name of readdirSync(cache).filter((entry) => entry.endsWith('.list'))) {
    const pack = join(cache, name.replace(/list$/, 'pack'));
    const bytes = readFileSync(pack);
    const lines = readFileSync(join(cache, name), 'utf8').split('\n');
    lines.forEach((line, i) => {
      const [key, offset, length] = line.split(' ');
      const value = bytes.subarray(Number(offset), Number(offset) + Number(length));
      if (!areLatents(value) || changed >= most) return;
      changed++;
      const words = new Uint32Array(1);
      const one = new Float32Array(words.buffer);
      for (let at = HEADER; at < value.length; at += 2) {
        words[0] = value.readUInt16LE(at) << 16; // bfloat16
        change(one);
        value.writeUInt16LE(words[0] >>> 16, at);
      }
      const check = createHash('sha1').update(value).digest('hex').slice(0, 16);
      lines[i] = `${key} ${offset} ${length} ${check}`;
    });
    writeFileSync(pack, bytes);
    writeFileSync(join(cache, name), lines.join('\n'));
  }
  return () => {
    for (const [name, bytes] of before) writeFileSync(join(cache, name), bytes);
  };
}

/** Bytes before the values: motion score and five sizes, see src/train/feed/encode/latents.ts. */
const HEADER = 32;

function areLatents(value: Buffer): boolean {
  if (value.length < HEADER) return false;
  const sizes = [0, 1, 2, 3, 4].map((i) => value.readInt32LE(8 + 4 * i));
  return value.length === HEADER + 2 * sizes.reduce((a, b) => a * b, 1);
}

/** Continues training until a running mean of gradient norms is established, and stops. */
async function trainOn(trial: Trial): Promise<number> {
  const job = startJob(trial);
  await job.until(() => {
    const last = linesOf(trial.folder).at(-1);
    return last?.part === 'transformer' && last.step > 34;
  });
  job.kill('SIGINT');
  await job.end;
  return standingOf(trial).last!.step;
}

const toNaN = (one: Float32Array) => {
  one[0] = Number.NaN;
};
const toHuge = (one: Float32Array) => {
  one[0]! *= 3e4;
};

/** Some samples are permanently bad: their steps must be skipped, and training continue. */
async function badSamples(trial: Trial): Promise<Result> {
  const { folder, reference, random } = trial;
  const upTo = await trainOn(trial);
  poison(folder, random.chance(0.5) ? toNaN : toHuge, 2);
  const job = startJob(trial);
  const end = await job.end;
  const skipped = linesOf(folder).filter((line) => Number(line.skipped) > 0).length;
  const dumps = join(folder, 'bad-batches');
  const named = existsSync(dumps) && readdirSync(dumps).some((name) => name.endsWith('.json'));
  const problem = firstProblem(
    end.code !== 0 && `ends with ${end.code ?? end.signal}: ${job.output.trim()}`,
    !/skipped, its gradient norm is/.test(job.output) && 'does not say which steps are skipped',
    skipped === 0 && 'counts no step as skipped',
    !named && 'keeps none of the batches',
    differenceFrom(reference, folder, { upTo }).problem,
    mess(job, trial),
  );
  return { problem, note: `${skipped} steps skipped` };
}

/** All samples are bad for a while: the run must roll back, and continue. */
async function badForAWhile(trial: Trial): Promise<Result> {
  const { folder, reference, random } = trial;
  const upTo = await trainOn(trial);
  const heal = poison(folder, random.chance(0.5) ? toNaN : toHuge, Number.POSITIVE_INFINITY);
  const job = startJob(trial);
  const wentBack = await job.until(() => /bad steps in a row; back to step/.test(job.output));
  heal();
  const end = await job.end;
  const problem = firstProblem(
    !wentBack && `does not roll back: ${job.output.trim()}`,
    end.code !== 0 && `ends with ${end.code ?? end.signal}: ${job.output.trim()}`,
    differenceFrom(reference, folder, { upTo }).problem,
    mess(job, trial),
  );
  return { problem };
}

/** All samples are bad: the run must give up; once they are good again, it resumes unharmed. */
async function badForGood(trial: Trial): Promise<Result> {
  const { folder, reference } = trial;
  const upTo = await trainOn(trial);
  const heal = poison(folder, toNaN, Number.POSITIVE_INFINITY);
  const job = startJob(trial);
  const end = await job.end;
  heal();
  const again = startJob(trial);
  const last = await again.end;
  const weights = weightsOf(folder);
  const differs = [...reference.weights].find(([file, hash]) => weights.get(file) !== hash);
  const problem = firstProblem(
    end.code !== 1 && `ends with ${end.code ?? end.signal}`,
    !/gradients stay bad after 5 rollbacks/.test(job.output) && `says ${job.output.trim()}`,
    last.code !== 0 && `ends with ${last.code ?? last.signal}: ${again.output.trim()}`,
    differenceFrom(reference, folder, { upTo }).problem,
    differs && `${differs[0]} differs`,
    blemishOf(job),
    mess(again, trial),
  );
  return { problem };
}

/** Sums over two processes round in another order: 2e-7 apart at most in 7 faults, --seed 1. */
const TOLERANCE = 1e-5;
/** The most seconds in which a job of two notices a loss, asks the other to end and kills it. */
const END_SECONDS = HANG_SECONDS + 10 + 12;

/** One of two processes is lost: the job must end, name it, and be resumable with one or two. */
const lostRank = (signal: 'SIGKILL' | 'SIGSTOP') => {
  return async (trial: Trial): Promise<Result> => {
    const { folder, random, reference } = trial;
    const two = ['--nproc', '2', '--hang', String(HANG_SECONDS)];
    const job = startJob(trial, ...two);
    await nextStep(job, folder);
    await sleep(2000 * random.next());
    const lost = random.pick(job.ranks());
    if (!lost) return { problem: `has no processes: ${job.output.trim()}` };
    const sentMs = performance.now();
    process.kill(lost.pid, signal);
    const end = await job.end;
    const seconds = (performance.now() - sentMs) / 1000;
    const { lostSteps } = standingOf(trial);
    const others = random.chance(0.5) ? two : [];
    const again = startJob(trial, ...others);
    const last = await again.end;
    const { worst, problem: differs } = differenceFrom(reference, folder, { tolerance: TOLERANCE });
    const problem = firstProblem(
      end.code !== 1 && `ends with ${end.code ?? end.signal}`,
      !job.output.includes(`rank ${lost.rank} `) &&
        `does not name rank ${lost.rank}: ${job.output}`,
      seconds > END_SECONDS && `takes ${seconds.toFixed(0)} s to end`,
      last.code !== 0 && `ends with ${last.code ?? last.signal}: ${again.output.trim()}`,
      differs,
      missingSteps(reference, folder)[0] && 'lacks steps',
      blemishOf(job),
      mess(again, trial),
    );
    return {
      problem,
      seconds,
      lostSteps,
      lossDifference: worst,
      note: `resumed with ${others.length > 0 ? 2 : 1}`,
    };
  };
};

/** Two processes are asked to stop: nothing may be lost. */
async function stoppedPair(trial: Trial): Promise<Result> {
  const { folder, random, reference } = trial;
  const job = startJob(trial, '--nproc', '2');
  await nextStep(job, folder);
  await sleep(1500 * random.next());
  const sentMs = performance.now();
  const signal = random.pick(['SIGTERM', 'SIGINT', 'SIGHUP'] as const);
  job.kill(signal);
  const end = await job.end;
  const seconds = (performance.now() - sentMs) / 1000;
  const { lostSteps } = standingOf(trial);
  const again = startJob(trial);
  const last = await again.end;
  const { worst, problem: differs } = differenceFrom(reference, folder, { tolerance: TOLERANCE });
  const problem = firstProblem(
    end.code !== exitCodeOf(signal) && `ends with ${end.code ?? end.signal}: ${job.output.trim()}`,
    lostSteps > 0 && `loses ${lostSteps} steps`,
    last.code !== 0 && `ends with ${last.code ?? last.signal}: ${again.output.trim()}`,
    differs,
    blemishOf(job),
    mess(again, trial),
  );
  return { problem, seconds, lostSteps, lossDifference: worst };
}

export const OTHER: Record<string, (trial: Trial) => Promise<Result>> = {
  'damaged data file': dataFile,
  'bad samples': badSamples,
  'bad gradients for a while': badForAWhile,
  'bad gradients, given up': badForGood,
  'killed rank': lostRank('SIGKILL'),
  'hung rank': lostRank('SIGSTOP'),
  'two processes stopped': stoppedPair,
};
