/** Sums over processes with a GPU each: are they right, and how fast are they sent? */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { availability, CollectiveGroup } from '../../src/tensor/index.js';
import { type Context, type Row, Skipped } from './context.js';

interface Measured {
  backend: string;
  sum: number;
  seconds: number;
  bytes: number;
}

export async function* nccl({ device, small }: Context): AsyncIterable<Row> {
  if (device.startsWith('cuda') && !CollectiveGroup.hasNccl()) {
    throw new Skipped('the addon was built without NCCL (`mfm info` says what is missing)');
  }
  const count = small ? 2 : availability().cuda.devices.length;
  for (const size of new Set([1, count])) {
    const { backend, sum, seconds, bytes } = await measured(size, device);
    const rate = bytes > 0 ? `, ${(bytes / seconds / 1e9).toFixed(1)} GB/s` : '';
    yield {
      what: `${size} ${size === 1 ? 'process' : 'processes'}, ${backend}`,
      figure: `sums are ${sum === size ? 'right' : `wrong: ${sum}`}, ${(1e3 * seconds).toFixed(2)} ms each${rate}`,
      values: { size, backend, sum, seconds, bytes },
      passed: sum === size,
    };
  }
}

async function measured(size: number, device: string): Promise<Measured> {
  const port = await freePort();
  const path = fileURLToPath(new URL('nccl-rank.ts', import.meta.url));
  const outputs = await Promise.all(
    Array.from({ length: size }, (_, rank) => {
      const own = device.startsWith('cuda') ? `cuda:${rank}` : device;
      return output([path, rank, size, port, own].map(String));
    }),
  );
  return JSON.parse(outputs[0]!) as Measured;
}

function output(words: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (data: string) => {
      text += data;
    });
    child.on('close', (code) => {
      if (code === 0) resolve(text);
      else reject(new Error(`a process of ${words[2]} ended with ${code}`));
    });
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
