/** `mfm data`: looks through a data set, and makes one of long videos. */
import { InputError } from '../../../errors.js';
import { defineArgs, type Options } from '../../terminal/args.js';
import type { Example } from '../../terminal/help.js';

export const summary = 'check a data set, or make one of long videos';

export const args = defineArgs({
  positional: {
    action: {
      kind: 'text',
      choices: ['check', 'prepare'],
      describe: '"check" says what is wrong with each item; "prepare" makes shards of short clips',
    },
    source: {
      kind: 'text',
      repeat: true,
      describe: 'manifest.jsonl, CSV, folder, .tar shards or a video; "check" takes one',
    },
  },
  options: {
    output: { kind: 'text', short: 'o', placeholder: 'FOLDER', describe: 'prepare: where to' },
    minFrames: {
      kind: 'integer',
      min: 1,
      default: 17,
      describe: 'check: clips of fewer frames are too short',
    },
    json: { kind: 'text', placeholder: 'FILE', describe: 'check: write all that is found as JSON' },
    clean: {
      kind: 'text',
      placeholder: 'FILE',
      describe: 'check: write a manifest of the items without a problem',
    },
    pipeline: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe:
        'check: count the tokens of captions as this pipeline does (default: an estimate, for a text encoder that reads 77)',
    },
    shard: {
      kind: 'text',
      default: '1/1',
      placeholder: 'I/N',
      describe: 'prepare: the part of machine I of N; all may write to one folder',
    },
    minSeconds: {
      kind: 'number',
      min: 0,
      default: 2,
      describe: 'prepare: shorter scenes are dropped',
    },
    maxSeconds: {
      kind: 'number',
      min: 0.1,
      default: 20,
      describe: 'prepare: longer scenes are split into equal parts',
    },
    fps: {
      kind: 'number',
      min: 1,
      max: 240,
      describe: 'prepare: rate of the clips (default: own)',
    },
    size: {
      kind: 'size',
      describe: 'prepare: reduce what has more pixels to this area, in its own shape',
    },
    depthModel: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: 'prepare: a depth model, which tells the depth of every clip',
    },
    shardSize: { kind: 'integer', min: 1, default: 500, describe: 'prepare: clips in a shard' },
    workers: { kind: 'integer', min: 1, describe: 'threads (default: one per processor)' },
    strict: {
      kind: 'flag',
      default: false,
      describe: 'leave with 1 if there is a problem with an item',
    },
  },
});

export const examples: readonly Example[] = [
  ['what is wrong with a data set, and what it can be trained on', 'data check set/manifest.jsonl'],
  ['only what is good of it', 'data check photos --clean photos/good.jsonl'],
  ['films to clips of 2 to 10 s', 'data prepare films -o clips --max-seconds 10 --size 640x352'],
];

export async function run(options: Options<typeof args>): Promise<number> {
  const { action, source, output, workers } = options;
  if (action === 'check') {
    if (source.length > 1) {
      throw new InputError(`mfm data check: takes one data set, got "${source[1]}" too`);
    }
    const { runCheck } = await import('./data-check.js');
    return runCheck({ ...options, manifest: source[0]! });
  }
  if (output === undefined) {
    throw new InputError('mfm data prepare: --output is missing (the folder for the shards)');
  }
  const { minSeconds, maxSeconds, shard, shardSize, strict } = options;
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
    workers,
    strict,
  });
}
