/** `mfm data`: checks a data set, or makes one from long videos. */
import { InputError } from '../../../errors.js';
import { deviceOption } from '../../options/device.js';
import { defineArgs, expectNone, type Options } from '../../terminal/args.js';
import type { Example } from '../../terminal/help.js';

export const summary = 'check a data set, or make one from long videos';

export const args = defineArgs({
  positional: {
    action: {
      kind: 'text',
      choices: ['check', 'prepare'],
      describe:
        '"check" reports problems of each item; "prepare" cuts videos into shards of short clips',
    },
    source: {
      kind: 'text',
      repeat: true,
      describe: 'manifest.jsonl, CSV, folder, .tar shards or a video; "check" takes only one',
    },
  },
  options: {
    output: {
      kind: 'text',
      short: 'o',
      placeholder: 'FOLDER',
      describe: 'prepare: folder for the shards',
    },
    minFrames: {
      kind: 'integer',
      min: 1,
      describe: 'check: clips with fewer frames count as too short (default 17)',
    },
    json: { kind: 'text', placeholder: 'FILE', describe: 'check: write the full report as JSON' },
    clean: {
      kind: 'text',
      placeholder: 'FILE',
      describe: 'check: write a manifest of the items without problems',
    },
    pipeline: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe:
        'check: count the tokens of captions as this pipeline does (default: an estimate, for a text encoder that reads 77 tokens)',
    },
    shard: {
      kind: 'text',
      placeholder: 'I/N',
      describe:
        'prepare: do only the part of machine I of N; all may write to the same folder (default 1/1)',
    },
    minSeconds: {
      kind: 'number',
      min: 0,
      describe: 'prepare: leave out shorter scenes, seconds (default 2)',
    },
    maxSeconds: {
      kind: 'number',
      min: 0.1,
      describe:
        'prepare: split longer scenes into equal parts, seconds; at least twice --min-seconds (default 20)',
    },
    fps: {
      kind: 'number',
      min: 1,
      max: 240,
      describe: "prepare: frames per second of the clips (default: the source's)",
    },
    size: {
      kind: 'size',
      describe: 'prepare: reduce larger clips to this area, keeping their shape',
    },
    depthModel: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: 'prepare: depth model with which to estimate the depth of every clip',
    },
    device: {
      ...deviceOption,
      describe: `prepare: ${deviceOption.describe}`,
    },
    shardSize: { kind: 'integer', min: 1, describe: 'prepare: clips per shard (default 500)' },
    workers: { kind: 'integer', min: 1, describe: 'threads (default: one per processor)' },
    strict: {
      kind: 'flag',
      default: false,
      describe: 'exit with code 1 if an item has a problem',
    },
  },
});

export const examples: readonly Example[] = [
  ['problems of a data set, and the tasks it can be used for', 'data check set/manifest.jsonl'],
  ['keep only the items without problems', 'data check photos --clean photos/good.jsonl'],
  [
    'cut films into clips of 2 to 10 s',
    'data prepare films -o clips --max-seconds 10 --size 640x352',
  ],
];

/** Options that only one of the actions takes. */
const OWN = {
  check: ['minFrames', 'json', 'clean', 'pipeline'],
  prepare: [
    ...['output', 'shard', 'minSeconds', 'maxSeconds', 'fps', 'size'],
    ...['depthModel', 'device', 'shardSize'],
  ],
} as const;

export async function run(options: Options<typeof args>): Promise<number> {
  const { action, source, output, workers } = options;
  expectNone(`mfm data ${action}`, options, OWN[action === 'check' ? 'prepare' : 'check']);
  if (action === 'check') {
    if (source.length > 1) {
      throw new InputError(`mfm data check: takes one data set, got "${source[1]}" too`);
    }
    const { runCheck } = await import('./data-check.js');
    return runCheck({ ...options, manifest: source[0]!, minFrames: options.minFrames ?? 17 });
  }
  if (output === undefined) {
    throw new InputError('mfm data prepare: --output is missing (the folder for the shards)');
  }
  const { minSeconds = 2, maxSeconds = 20, shard = '1/1', shardSize = 500, strict } = options;
  const { runPrepare } = await import('./data-prepare.js');
  return runPrepare({
    sources: source,
    folder: output,
    shard,
    shardSize,
    minSeconds,
    maxSeconds,
    fps: options.fps ?? null,
    size: options.size ?? null,
    depthModel: options.depthModel ?? null,
    device: options.device,
    workers,
    strict,
  });
}
