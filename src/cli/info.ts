/** `mfm info`: what this machine offers, for a bug report or to see why something is slow. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { cpus, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors.js';
import { readJson } from '../read-json.js';
import type { Availability, ResolvedDevice } from '../tensor/index.js';
import { defineArgs, type Options } from './args.js';
import { formatBytes } from './progress.js';

export const summary = 'show the machine, LibTorch and ffmpeg that are used';

export const args = defineArgs({
  options: {
    pipeline: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: 'also where this pipeline is and its parts: a folder, or ORG/NAME of `mfm pull`',
    },
    json: { kind: 'flag', describe: 'print JSON instead of a table' },
  },
});

export const examples = [
  ['what runs here', 'info'],
  ['where a downloaded pipeline is', 'info --pipeline LetsThink/MfM-Pipeline-2B'],
] as const;

export async function run({ json, pipeline }: Options<typeof args>): Promise<void> {
  // a wrong name is said before the engine is loaded
  const about = pipeline === undefined ? {} : await pipelineFacts(pipeline);
  const facts = { ...(await collect()), ...about };
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

/** The folder, and each part of it with its class and the bytes of its files. */
async function pipelineFacts(name: string): Promise<Record<string, string>> {
  const { resolvePipeline } = await import('../pipeline/find.js');
  const folder = resolvePipeline(name);
  const path = join(folder, 'model_index.json');
  if (!existsSync(path)) {
    throw new InputError(`${folder}: is not a pipeline folder (no model_index.json)`);
  }
  const index = readJson(path) as Record<string, unknown>;
  const facts: Record<string, string> = { pipeline: folder };
  for (const [part, value] of Object.entries(index)) {
    if (!Array.isArray(value) || value[1] === null) continue;
    const bytes = bytesIn(join(folder, part));
    const notes = [value[1], bytes === undefined ? 'not there' : formatBytes(bytes)];
    const count = await parametersOf(part, join(folder, part, 'config.json'));
    if (count !== null) notes.push(count);
    facts[part] = notes.join(', ');
  }
  return facts;
}

/** How many parameters a part's configuration asks for, in words; null for a part that is no network. */
async function parametersOf(part: string, path: string): Promise<string | null> {
  if (!existsSync(path)) return null;
  const { withParameters } = await import('../nn/index.js');
  const { Transformer3D, parseTransformerConfig } = await import('../models/transformer/index.js');
  const { Autoencoder, parseAutoencoderConfig } = await import('../models/autoencoder/index.js');
  const { T5Encoder, parseT5Config } = await import('../models/t5/index.js');
  const config = readJson(path);
  const make = {
    transformer: () => new Transformer3D(parseTransformerConfig(config, path)),
    vae: () => new Autoencoder(parseAutoencoderConfig(config, path)),
    text_encoder: () => new T5Encoder(parseT5Config(config, path)),
  }[part];
  if (!make) return null;
  try {
    // on the meta device parameters have shapes and no memory
    const count = withParameters({ device: 'meta' }, () => make().parameterCount());
    return `${(count / 1e6).toFixed(1)} M parameters`;
  } catch (error) {
    return `not understood (${(error as Error).message})`; // a finding here, not a failure
  }
}

function bytesIn(folder: string): number | undefined {
  if (!existsSync(folder)) return undefined;
  const files = readdirSync(folder).map((name) => statSync(join(folder, name)));
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** A missing engine is a finding here, not a failure. */
async function engineFacts(): Promise<Record<string, string | number>> {
  try {
    const { availability, engineInfo, resolveDevice } = await import('../tensor/index.js');
    const { libtorch, kernels, threads, matrixUnits } = engineInfo();
    const available = availability();
    return {
      libtorch: `${libtorch}${builtAgainst()}`,
      kernels,
      matrixUnits,
      threads,
      device: deviceFact(available, resolveDevice('auto', available)),
    };
  } catch (error) {
    return { libtorch: (error as Error).message };
  }
}

/** What `--device auto` takes, and the other GPUs; without any, why there is none. */
function deviceFact(
  { libtorch, cuda }: Availability,
  { device, fallback }: ResolvedDevice,
): string {
  if (cuda.devices.length > 0) {
    return cuda.devices
      .map(({ name, capability, memoryBytes }, i) =>
        [`cuda:${i}`, name, capability.join('.'), formatBytes(memoryBytes)].join(' '),
      )
      .join(', ');
  }
  if (device !== 'cpu') return device;
  const built = `LibTorch ${libtorch} is built ${cuda.built ? 'for' : 'without'} CUDA`;
  return `cpu (${fallback ?? `${built}, and there is no NVIDIA GPU`})`;
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
