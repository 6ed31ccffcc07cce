/** A server in a process of its own, as a user starts it, for the measurements of this folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fromRoot } from '../../src/files/package-root.js';
import { type Client, clientOf } from '../../test/server/serving.js';

export interface ServerProcess extends Client {
  child: ChildProcess;
  /** the processes of the engine and of the checks; tsx has others */
  engines(): number[];
  end(signal?: NodeJS.Signals): Promise<void>;
}

export async function startServer(
  folder: string,
  words: readonly string[] = [],
): Promise<ServerProcess> {
  const child = spawn(
    fromRoot('mfm'),
    [
      'serve',
      '--pipeline',
      fromRoot('models/mfm-mini'),
      '--port',
      '0',
      '--folder',
      folder,
      '--runs',
      `${folder}/runs`,
      ...words,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  const client = clientOf(url);
  return {
    ...client,
    child,
    engines: () =>
      childrenOf(child.pid!).filter((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('/server/engine/worker.'),
      ),
    async end(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      await ended;
    },
  };
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
}

/** Memory that processes hold together, shared pages counted once. */
export function memoryBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return sum + 1024 * Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0);
  }, 0);
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));
