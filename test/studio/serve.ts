/** `mfm serve` for the studio's stories, as a person starts it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fromRoot } from '../../src/files/package-root.js';
import { smallMini } from '../small-mini.js';

export interface Served {
  /** http://127.0.0.1:… */
  url: string;
  /** Stops as Ctrl-C does. */
  stop(): Promise<void>;
}

export interface ServeOptions {
  /** default: one that is free */
  port?: string;
  /** default: none is needed */
  apiKey?: string;
  /** default: the included one at 64x64 */
  pipeline?: string;
}

/** @param folder  where it keeps jobs, uploads and runs */
export async function serve(
  folder: string,
  { port = '0', apiKey, pipeline = smallMini(folder) }: ServeOptions = {},
): Promise<Served> {
  const child = spawn(
    fromRoot('mfm'),
    [
      ...['serve', '--port', port, '--pipeline', pipeline],
      ...['--folder', `${folder}/server`, '--runs', `${folder}/runs`, '--data', `${folder}/data`],
    ],
    {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, MFM_API_KEY: apiKey },
    },
  );
  const url = await addressOf(child);
  const stop = async () => {
    if (child.exitCode !== null) return;
    const over = once(child, 'exit');
    child.kill('SIGINT');
    await over;
  };
  return { url, stop };
}

/** The line with which it says that it can be asked. @throws what it said if it ends before */
function addressOf(child: ChildProcess): Promise<string> {
  let said = '';
  return new Promise((resolve, reject) => {
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const [address] = /http:\/\/[\d.:]+/.exec(said) ?? [];
      if (address) resolve(address);
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.on('exit', (code) => reject(new Error(`mfm serve ended with ${code}: ${said}`)));
  });
}
