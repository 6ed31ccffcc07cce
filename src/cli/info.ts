/** `mfm info`: what this machine offers, for a bug report or to see why something is slow. */
import { existsSync, readFileSync } from 'node:fs';
import { cpus, freemem, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineArgs, type Options } from './args.js';

export const summary = 'show the machine, LibTorch and ffmpeg that are used';

export const args = defineArgs({
  options: { json: { kind: 'flag', describe: 'print JSON instead of a table' } },
});

export const examples = [['what runs here', 'info']] as const;

export async function run({ json }: Options<typeof args>): Promise<void> {
  const facts = await collect();
  if (json) {
    console.log(JSON.stringify(facts, null, 2));
    return;
  }
  const width = Math.max(...Object.keys(facts).map((key) => key.length));
  for (const [key, value] of Object.entries(facts)) console.log(`${key.padEnd(width)}  ${value}`);
}

async function collect(): Promise<Record<string, string | number>> {
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const machine = {
    node: process.version,
    system: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memory: `${gib(totalmem())}, ${gib(freemem())} free`,
  };
  return { ...machine, ...(await engineFacts()), ffmpeg: await ffmpegFact() };
}

/** A missing engine is a finding here, not a failure. */
async function engineFacts(): Promise<Record<string, string | number>> {
  try {
    const { engineInfo } = await import('../tensor/native.js');
    const { libtorch, kernels, threads, matrixUnits, cudaDevices } = engineInfo();
    return {
      libtorch: `${libtorch}${builtAgainst()}`,
      kernels,
      matrixUnits,
      threads,
      cudaDevices,
    };
  } catch (error) {
    return { libtorch: (error as Error).message };
  }
}

/** Where setup found the LibTorch; it says so in a file beside the addon. */
function builtAgainst(): string {
  const path = fileURLToPath(new URL('../../build/addon.json', import.meta.url));
  if (process.env.MFM_ADDON || !existsSync(path)) return '';
  return `, ${JSON.parse(readFileSync(path, 'utf8')).source}`;
}

async function ffmpegFact(): Promise<string> {
  try {
    const { findFfmpeg } = await import('../media/ffmpeg.js');
    return findFfmpeg();
  } catch (error) {
    return (error as Error).message;
  }
}
