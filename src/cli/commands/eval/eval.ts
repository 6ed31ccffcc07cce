/** `mfm eval`: measures a pipeline's quality, task by task, against baselines that need no model. */
import { InputError } from '../../../errors.js';
import { adviseFfmpeg } from '../../options/ffmpeg-advice.js';
import type { Example } from '../../terminal/help.js';
import type { EvalOptions } from './options.js';
import { stepCounts } from './step-counts.js';

export { args } from './options.js';

export const summary = "measure a pipeline's quality, task by task";
export const examples: readonly Example[] = [
  ['the newest pipeline, on 20 held-out scenes per task', 'eval'],
  ['two tasks, thoroughly', 'eval runs/mine/pipeline --tasks t2v,vsr --scenes 100'],
  ['on your own clips', 'eval --manifest clips/manifest.jsonl'],
  [
    'on real pictures, larger than the pipeline',
    'eval --manifest photos --size 128x128 --tasks isr:2x,icolor,iinp',
  ],
  ['do four steps do?', 'eval --steps 1,2,4,24'],
  ["the paper's comparison", 'eval ORG/MODEL --benchmark mfm --clips clips -o runs/benchmark'],
  [
    "another system's results on the same clips",
    'eval ORG/MODEL --benchmark mfm --clips clips --results theirs -o runs/theirs',
  ],
];

export async function run(options: EvalOptions): Promise<number | undefined> {
  expectTogether(options);
  if (options.manifest !== undefined || options.clips !== undefined) await adviseFfmpeg();
  const { evaluate } = await import('./job.js');
  return evaluate(options);
}

/** @throws InputError for options that do not go together */
function expectTogether(options: EvalOptions): void {
  const { benchmark, clips, results, segments, manifest, steps, seeds } = options;
  if (benchmark && clips === undefined) {
    throw new InputError('--benchmark mfm: needs the clips; name their folder with --clips FOLDER');
  }
  if (benchmark && manifest !== undefined) {
    throw new InputError('--manifest: is not for --benchmark; name the clips with --clips FOLDER');
  }
  if (results !== undefined && (seeds > 1 || stepCounts(steps).fewer.length > 0)) {
    throw new InputError(
      `--${seeds > 1 ? 'seeds' : 'steps'}: needs a pipeline that makes the results; leave it out, or --results`,
    );
  }
  for (const [name, value] of Object.entries({ clips, results, segments })) {
    if (!benchmark && value !== undefined) {
      throw new InputError(`--${name}: belongs to --benchmark mfm; add that or leave it out`);
    }
  }
}
