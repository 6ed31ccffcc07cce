/** Starts the scripts of fixtures/ as processes of one job. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export const fixture = (name: string): string =>
  fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** The command line that runs a fixture as a process of its own. */
export const commandOf = (name: string, args: readonly unknown[]): string[] => [
  process.execPath,
  '--import',
  'tsx',
  fixture(name),
  ...args.map(String),
];

/** One thread each: the test machine has few cores, and several tests run at once. */
const small = { OMP_NUM_THREADS: '1', MFM_THREADS: '1' };

export function start(
  [program = '', ...args]: string[],
  env: Record<string, string> = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(program, args, { env: { ...process.env, ...small, ...env } });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...text }));
  });
  return { child, ended };
}

/** `size` processes of one fixture; returns when all have ended. */
export function ranks(
  size: number,
  name: string,
  args: (rank: number) => readonly unknown[],
): Promise<Ended[]> {
  return Promise.all(
    [...Array(size).keys()].map((rank) => start(commandOf(name, args(rank))).ended),
  );
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
