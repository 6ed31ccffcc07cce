/**
 * `--nproc N`: runs the current command N times on this machine, with torchrun's environment
 * variables. Rank 0 uses the terminal; output of the others is shown only if they fail. If one
 * fails, all are ended.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import {
  exitCodeOf,
  isStopCode,
  SAME_REQUEST_MS,
  type StopSignal,
  stopSignals,
} from '../processes/stop-signals.js';

export interface LaunchOptions {
  /** program and arguments of each process; default: this process's own */
  command?: readonly string[];
  /** after one has failed, how long the others have to end before they are killed */
  graceSeconds?: number;
}

interface Rank {
  rank: number;
  child: ChildProcess;
  /** the last part of its stderr; empty for rank 0, whose stderr goes to the terminal */
  stderr: string;
  code: number | null;
  signal: NodeJS.Signals | null;
  /** ended before any process was asked to */
  unasked: boolean;
  /** had to be killed after `graceSeconds` */
  stubborn: boolean;
}

/** This process's command, including `--nproc`: a process with a rank does not launch others. */
const OWN_COMMAND = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
/** How long the processes have to end after a second request to stop. */
const AT_ONCE_MS = 1000;
const keptCharacters = 64 * 1024;

/**
 * Runs `count` processes until all have ended; SIGINT, SIGTERM and SIGHUP are forwarded to them. A
 * second SIGINT or SIGTERM ends them at once.
 * @returns the exit code for this process: 0 if all succeeded, 2 if the first failure was bad input
 *          (its message is shown once), 128 + the signal's number if all stopped when asked to, else
 *          1, after a report on stderr
 */
export async function launchProcesses(
  count: number,
  { command = OWN_COMMAND, graceSeconds = 10 }: LaunchOptions = {},
): Promise<number> {
  const port = await freePort();
  const ranks: Rank[] = [];
  let ending: NodeJS.Timeout | null = null;
  let hurrying: NodeJS.Timeout | null = null;
  const asked = { signal: null as StopSignal | null, ms: 0 };

  /** did it end because of the forwarded signal, in an orderly way or not? */
  const stopped = ({ code, signal }: Rank) =>
    asked.signal !== null && (isStopCode(code) || signal === asked.signal || hurrying !== null);
  const sendAll = (signal: NodeJS.Signals) => {
    for (const { child } of ranks) if (running(child)) child.kill(signal);
  };
  const endAll = () => {
    if (ending) return;
    sendAll('SIGTERM');
    ending = setTimeout(() => {
      for (const one of ranks) one.stubborn = running(one.child);
      sendAll('SIGKILL');
    }, graceSeconds * 1000);
  };
  const forward = (signal: StopSignal) => {
    const nowMs = performance.now();
    const again = asked.signal !== null && nowMs - asked.ms > SAME_REQUEST_MS;
    if (asked.signal === null) Object.assign(asked, { signal, ms: nowMs });
    sendAll(signal);
    if (again && signal !== 'SIGHUP') hurrying ??= setTimeout(() => sendAll('SIGKILL'), AT_ONCE_MS);
  };
  const signals = stopSignals();
  for (const signal of signals) process.on(signal, forward);
  try {
    const ends = [...Array(count).keys()].map((rank) => {
      const one = startRank(rank, command, environmentOf(rank, count, port));
      ranks.push(one);
      return new Promise<void>((resolve) => {
        one.child.on('error', (error) => {
          one.stderr += `${error.message}\n`;
          one.code = 1;
          one.unasked = !ending;
          endAll();
          resolve();
        });
        one.child.on('exit', (code, signal) => {
          Object.assign(one, { code, signal, unasked: !ending && !asked.signal });
          if (code !== 0 && !stopped(one)) endAll();
        });
        one.child.on('close', () => resolve());
      });
    });
    await Promise.all(ends);
  } finally {
    if (ending) clearTimeout(ending);
    if (hurrying) clearTimeout(hurrying);
    for (const signal of signals) process.off(signal, forward);
  }
  const allStopped = ranks.every((one) => one.code === 0 || stopped(one)) && ranks.some(stopped);
  if (asked.signal && allStopped) return exitCodeOf(asked.signal);
  return report(ranks);
}

function startRank(rank: number, command: readonly string[], env: NodeJS.ProcessEnv): Rank {
  const [program = '', ...args] = command;
  // detached: Ctrl-C in a terminal goes to the whole process group, and would reach them twice
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: rank === 0 ? 'inherit' : ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const made = {
    rank,
    child,
    stderr: '',
    code: null,
    signal: null,
    unasked: false,
    stubborn: false,
  };
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    made.stderr = (made.stderr + chunk).slice(-keptCharacters);
  });
  return made;
}

function environmentOf(rank: number, count: number, port: number): NodeJS.ProcessEnv {
  const threads = String(Math.max(1, Math.floor(availableParallelism() / count)));
  return {
    RANK: String(rank),
    WORLD_SIZE: String(count),
    LOCAL_RANK: String(rank),
    LOCAL_WORLD_SIZE: String(count),
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: String(port),
    MFM_LAUNCHER_PID: String(process.pid),
    OMP_NUM_THREADS: process.env.OMP_NUM_THREADS ?? threads,
  };
}

/** Reports on stderr what went wrong, and returns the exit code. */
function report(ranks: readonly Rank[]): number {
  const failed = ranks.filter(({ code }) => code !== 0);
  // a process ended by a signal is the cause of later failures, even if those were noticed first
  const first =
    failed.find(({ signal, unasked }) => unasked && signal) ??
    failed.find(({ unasked }) => unasked) ??
    failed[0];
  if (!first) return 0;
  if (first.code === 2) {
    // all refuse the same input with the same message, and rank 0's is on the terminal already
    if (ranks[0]?.code !== 2) process.stderr.write(first.stderr);
    return 2;
  }
  if (first.stderr) process.stderr.write(first.stderr.replace(/^(?=.)/gm, `[rank ${first.rank}] `));
  const sentences = [
    first.signal
      ? `rank ${first.rank} was killed (${first.signal})`
      : `rank ${first.rank} failed (exit code ${first.code})`,
    ...ranks
      .filter(({ stubborn }) => stubborn)
      .map(({ rank }) => `rank ${rank} did not end when asked to and was killed`),
    'all processes have ended; continue from the last checkpoint with --resume',
  ];
  process.stderr.write(`${sentences.join('; ')}\n`);
  return 1;
}

const running = ({ exitCode, signalCode, pid }: ChildProcess): boolean =>
  pid !== undefined && exitCode === null && signalCode === null;

/** A port that was free a moment ago; if it no longer is, the rank that serves on it says so. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
