/** `mfm serve`: the server and the studio. */
import { readFileSync } from 'node:fs';
import { InputError } from '../../errors.js';
import { deviceOption, dtypeOption } from '../options/device.js';
import { defineArgs, type Options } from '../terminal/args.js';
import { withOptions } from '../terminal/fields.js';
import type { Example } from '../terminal/help.js';
import { INTERRUPTED, withInterrupt } from '../terminal/interrupt.js';

export const summary =
  'serve pipelines over HTTP, with a queue of jobs and a studio in the browser';

export const args = defineArgs({
  options: {
    pipeline: {
      kind: 'text',
      repeat: true,
      placeholder: 'FOLDER',
      describe:
        'pipeline folder or ORG/NAME; several are offered by their names (default: the newest in runs/ or models/)',
    },
    host: {
      kind: 'text',
      default: '127.0.0.1',
      describe: 'address to listen at; one that others can reach needs a key',
    },
    port: {
      kind: 'integer',
      min: 0,
      max: 65535,
      default: 8088,
      describe: 'port; 0: one that is free',
    },
    folder: { kind: 'text', default: 'server', describe: 'folder for jobs and uploads' },
    runs: { kind: 'text', default: 'runs', describe: 'folder of training runs' },
    data: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: 'folder whose folders can be trained on',
    },
    apiKey: {
      kind: 'text',
      repeat: true,
      placeholder: 'KEY',
      describe:
        'key that requests must have; others on this machine can see it in the list of processes, so prefer a file or the variable MFM_API_KEY',
    },
    apiKeyFile: { kind: 'text', placeholder: 'FILE', describe: 'file with one key a line' },
    allowHost: {
      kind: 'text',
      repeat: true,
      placeholder: 'NAME',
      describe: 'name that the server may be asked by, besides localhost and its address',
    },
    allowOrigin: {
      kind: 'text',
      repeat: true,
      placeholder: 'URL',
      describe: 'page of another server that may use this one, e.g. http://localhost:5173',
    },
    allowUrls: {
      kind: 'flag',
      describe: 'accept addresses of other hosts as inputs, never those of private networks',
    },
    rate: {
      kind: 'integer',
      min: 0,
      default: 1200,
      describe: 'requests a minute with one key; 0: any number',
    },
    maxQueue: { kind: 'integer', min: 1, default: 100, describe: 'most jobs that may wait' },
    maxUpload: { kind: 'integer', min: 1, default: 512, describe: 'most MiB of an uploaded file' },
    maxPixels: {
      kind: 'integer',
      min: 256,
      default: 64_000_000,
      describe: 'most pixels of a picture or frame',
    },
    maxFrames: { kind: 'integer', min: 1, default: 10_000, describe: 'most frames of a result' },
    depthModel: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: 'depth model, if the pipeline has none',
    },
    device: deviceOption,
    dtype: dtypeOption,
  },
});

export const examples: readonly Example[] = [
  ['the newest pipeline, at http://127.0.0.1:8088', 'serve'],
  [
    'for others in the network, with a key',
    'serve --host 0.0.0.0 --api-key-file keys.txt --allow-host box.local',
  ],
];

export async function run(options: Options<typeof args>): Promise<number | undefined> {
  const { listen } = await import('../../server/index.js');
  const say = (sentence: string) => process.stderr.write(`${withOptions(sentence)}\n`);
  const server = await listen({
    pipelines: options.pipeline,
    host: options.host,
    port: options.port,
    folder: options.folder,
    runs: options.runs,
    data: options.data,
    apiKeys: keysOf(options),
    hosts: options.allowHost,
    origins: options.allowOrigin,
    allowUrls: options.allowUrls,
    rate: options.rate,
    maxQueue: options.maxQueue,
    maxUpload: options.maxUpload * 2 ** 20,
    maxPixels: options.maxPixels,
    maxFrames: options.maxFrames,
    depthModel: options.depthModel,
    device: options.device,
    dtype: options.dtype,
    onNote: say,
  });
  process.stdout.write(`${server.url}\n`);
  return withInterrupt('stopping; jobs go on at the next start', async (signal) => {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    await server.close();
    return INTERRUPTED;
  });
}

/** The keys of the command line, of the file and of the variable. */
function keysOf({ apiKey, apiKeyFile }: Options<typeof args>): string[] {
  const keys = [...apiKey, ...fileKeys(apiKeyFile)];
  if (process.env.MFM_API_KEY) keys.push(process.env.MFM_API_KEY);
  for (const key of keys) {
    if (/^[\x21-\x7e]{8,}$/.test(key)) continue;
    throw new InputError(
      'mfm serve: a key must have at least 8 characters, none of them a space; `openssl rand -hex 16` makes one',
    );
  }
  return keys;
}

function fileKeys(path: string | undefined): string[] {
  if (path === undefined) return [];
  try {
    const keys = readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean);
    if (keys.length > 0) return keys;
  } catch (cause) {
    throw new InputError(`${path}: the keys cannot be read (${(cause as Error).message})`, {
      cause,
    });
  }
  throw new InputError(`${path}: holds no key; write one on each line`);
}
