/** The program as a process of its own, watched by what it says. */
import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { fromRoot } from '../../src/files/package-root.js';

export const program = fromRoot('mfm');

/** Runs `mfm WORDS` to its end. */
export function mfm(
  words: readonly string[],
  { cwd, env, path = program }: { cwd?: string; env?: NodeJS.ProcessEnv; path?: string } = {},
) {
  return spawnSync(path, words, { encoding: 'utf8', cwd, env });
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Watched {
  child: ChildProcess;
  said: { stdout: string; stderr: string };
  /** Once stderr matches; also when the process ends before. */
  until(pattern: RegExp): Promise<void>;
  ended: Promise<Ended>;
}

/** @param words  a command line; the first word is the program */
export function watch(
  [first = '', ...words]: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; stdio?: StdioOptions } = {},
): Watched {
  const { cwd, stdio } = options;
  const env = { ...process.env, OMP_NUM_THREADS: '1', ...options.env };
  const child = spawn(first, words, { cwd, env, stdio });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, ...said }));
  });
  const until = (pattern: RegExp) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (pattern.test(said.stderr)) resolve();
      };
      look();
      child.stderr?.on('data', look);
      child.on('close', () => resolve());
    });
  return { child, said, until, ended };
}

/** Sends the signal again and again until the process has ended: as often as it takes. */
export async function insist({ child, ended }: Watched, signal: NodeJS.Signals): Promise<Ended> {
  const timer = setInterval(() => child.kill(signal), 50);
  try {
    return await ended;
  } finally {
    clearInterval(timer);
  }
}

/** For words of a shell's command. */
export const quoted = (words: readonly string[]): string =>
  words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
