/** `mfm data`: looks through a data set, and makes one of long videos. */
import { InputError } from '../errors.js';
import { defineArgs, type Options } from './args.js';
import type { Example } from './help.js';

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
    workers: { kind: 'integer', min: 1, describe: 'threads (default: one per processor)' },
    minFrames: {
      kind: 'integer',
      min: 1,
      describe: 'check: clips of fewer frames are too short (default: 17)',
    },
    json: {
      kind: 'text',
      placeholder: 'FILE',
      describe: 'check: write all that was found as JSON',
    },
    clean: {
      kind: 'text',
      placeholder: 'FILE',
      describe: 'check: write a manifest of the items without a problem',
    },
    strict: { kind: 'flag', default: false, describe: 'check: leave with 1 if there is a problem' },
  },
});

export const examples: readonly Example[] = [
  ['what is wrong with a data set, and what it can be trained on', 'data check photos/'],
];

export async function run(options: Options<typeof args>): Promise<number | undefined> {
  const { runCheck } = await import('./data-check.js');
  const { MIN_FRAMES } = await import('../data/verdicts.js');
  const [manifest, second] = options.source;
  if (second !== undefined) {
    throw new InputError(`mfm data check: takes one data set, got "${second}" too`);
  }
  return runCheck({ ...options, manifest: manifest!, minFrames: options.minFrames ?? MIN_FRAMES });
}
