/** `mfm generate`: runs one task on the user's prompts, images, clips and masks. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { InputError } from '../../../errors.js';
import { expectPlace, type ReadFrom, SourceFiles } from '../../../files/output-place.js';
import type { Task } from '../../../tasks/index.js';
import { lorasOf } from '../../options/lora.js';
import type { Example } from '../../terminal/help.js';
import { INTERRUPTED, withInterrupt } from '../../terminal/interrupt.js';
import { describeProblem, failedLine } from '../../terminal/problem.js';
import { formatDuration } from '../../terminal/progress.js';
import type { Job } from './jobs.js';
import type { Context } from './make-result.js';
import type { GenerateOptions } from './options.js';
import { parseDepth, parseKnown } from './placed-options.js';
import { dtypeOf, listsOf } from './reference-options.js';
import { hasSettings, stampOfAll } from './result-settings.js';
import { endpointOf, rewriter } from './rewrite.js';

export const summary = 'generate images or clips from prompts, images, clips and masks';

export { args } from './options.js';

export const examples: readonly Example[] = [
  ['a clip from a prompt', 'generate t2v -p "a red cube moves left"'],
  ['a clip that begins with a photo', 'generate i2v -i photo.jpg -p "the camera pans right"'],
  ['fill the white part of a mask', 'generate vinp -i clip.mp4 --mask hole.png -o filled.mp4'],
  [
    'two pictures and the frames between, and depth for all',
    'generate any -p "a red cube" --known a.png@0 --known b.png@-1 --depth depth.mp4 --frames 81',
  ],
  ['three pictures for every prompt', 'generate t2i --batch prompts.txt --samples 3 -o pictures'],
];

/** The list of tasks. Their table needs LibTorch; without it, help shows only the options. */
export async function details(): Promise<string> {
  try {
    const { TASKS } = await import('../../../tasks/index.js');
    const lines = Object.values(TASKS).map(({ id, summary: what }) => `  ${id.padEnd(6)} ${what}`);
    return ['Tasks:', ...lines].join('\n');
  } catch (error) {
    return `Tasks: cannot be listed (${(error as Error).message})`;
  }
}

export async function run(options: GenerateOptions): Promise<number | undefined> {
  const { chosenTask } = await import('../../options/own-tasks.js');
  const { taskOfLength } = await import('../../../tasks/task.js');
  const { findFfmpeg } = await import('../../../media/index.js');
  const { adviseFfmpeg } = await import('../../options/ffmpeg-advice.js');
  const { chosenPipeline } = await import('../../options/chosen-pipeline.js');
  const { manyJobs, oneJob } = await import('./jobs.js');
  const { begin, make } = await import('./make-result.js');
  const { open } = await import('../../../index.js');

  const task: Task = await chosenTask(options.task, options);
  if (options.cropType && !options.compat) {
    throw new InputError('--crop-type: belongs to --compat reference; add that or leave it out');
  }
  if (options.depth.length > 0 && options.depthModel && !task.placed) {
    throw new InputError("--depth: replaces --depth-model's estimate; give only one of them");
  }
  const dtype = dtypeOf(options.dtype, options.mixedPrecision);
  const endpoint = endpointOf(options);
  const loras = lorasOf(options.lora);
  const several = listsOf(task.id, options).length > 0 || options.samples > 1;
  const jobs = several ? await manyJobs(task, options) : [await oneJob(task, options)];
  expectPlaces(jobs, sourcesOf(jobs, options, task), several);
  // check now, not after the clip has been generated
  const made = taskOfLength(task, jobs[0]!.options.frames);
  if (made.result === 'video' && !jobs[0]!.output.toLowerCase().endsWith('.gif')) {
    findFfmpeg();
    await adviseFfmpeg();
  }
  const mfm = await open(chosenPipeline(options.pipeline), {
    dtype,
    device: options.device,
    depthModel: options.depthModel,
    loras,
    onNote: (note) => process.stderr.write(`${note}\n`),
  });

  return withInterrupt('stopping after this step', async (signal) => {
    try {
      const rewrite = endpoint && rewriter(endpoint, { signal });
      const context: Context = { task, mfm, rewrite, options, signal, toldWork: '' };
      if (several) return await makeAll(jobs, context);
      await make(await begin(jobs[0]!, context), context);
      return undefined;
    } catch (error) {
      if (signal.aborted) return INTERRUPTED;
      throw error;
    } finally {
      await mfm.dispose();
    }
  });
}

const bareDepth = (depth: ReturnType<typeof parseDepth>): string =>
  typeof depth === 'string' ? depth : depth.media;

const named = (what: string, paths: readonly string[]): ReadFrom[] =>
  paths.map((path) => ({ path, what }));

/** The files that are read for a result. */
function filesOf({ options }: Job, { placed }: Task): ReadFrom[] {
  const { input, known, mask, depth, depthFrom, reference } = options;
  const some = (path: string | undefined) => (path === undefined ? [] : [path]);
  const parts = known.map((text) => parseKnown(text));
  const deep = placed ? depth.map((text) => bareDepth(parseDepth(text))) : depth;
  return [
    ...named('the input', [...input, ...some(depthFrom), ...parts.map(({ media }) => media)]),
    ...named('the mask', [mask, ...parts.map((part) => part.mask)].flatMap(some)),
    ...named('the depth', [...deep, ...parts.flatMap((part) => some(part.depth))]),
    ...named('the reference', some(reference)),
  ];
}

/** All files that are read, which a result must not replace. */
function sourcesOf(jobs: readonly Job[], options: GenerateOptions, task: Task): SourceFiles {
  return new SourceFiles([
    ...jobs.flatMap((job) => filesOf(job, task)),
    ...named('the list of jobs', listsOf(task.id, options)),
    ...named(
      'the LoRA',
      lorasOf(options.lora).map(({ path }) => path),
    ),
  ]);
}

/** @throws InputError, before any work, for the first result whose path cannot be written to */
function expectPlaces(jobs: readonly Job[], sources: SourceFiles, several: boolean): void {
  for (const { output } of jobs) {
    for (const path of several ? [output, settingsPath(output)] : [output]) {
      expectPlace(path);
      sources.expectOther(path);
    }
  }
}

/** The path of a batch result's settings, beside the result. */
const settingsPath = (output: string): string => `${output}.json`;

/** Generates the results that do not exist yet; a failed job does not stop the others. */
async function makeAll(jobs: Job[], context: Context): Promise<number | undefined> {
  const { writeAtomically } = await import('../../../media/index.js');
  const { begin, make } = await import('./make-result.js');
  let exitCode: number | undefined;
  let [present, done, seconds, failed] = [0, 0, 0, 0];
  const { depthModel, tasks } = context.options;
  const networks = [context.mfm.folder, depthModel, tasks];
  const weights = stampOfAll(networks.filter((one) => one !== undefined));
  for (const [i, job] of jobs.entries()) {
    const about = settingsPath(job.output);
    try {
      const begun = await begin(job, context);
      const settings = await begun.generation.settings(begun.saving);
      // taken before the files are read, so that a change in the meantime is noticed by the next run
      const files = stampOfAll(filesOf(job, context.task).map(({ path }) => path));
      if (existsSync(job.output) && hasSettings(about, settings, { files, weights })) {
        present++;
        continue;
      }
      // the first result also loads the weights, so its time is not used alone
      const left = done > 1 ? `, ${formatDuration((seconds / done) * (jobs.length - i))} left` : '';
      process.stderr.write(`${i + 1} of ${jobs.length}: ${job.output}${left}\n`);
      const startMs = performance.now();
      const { made, ...asked } = await make(begun, context);
      const ownSeconds = Math.round(performance.now() - startMs) / 1000;
      const whole = { ...asked, made: { ...made, seconds: ownSeconds, files, weights } };
      const text = `${JSON.stringify(whole, null, 2)}\n`;
      await writeAtomically(about, (temporary) => writeFile(temporary, text));
      done++;
      seconds += ownSeconds;
    } catch (error) {
      if (context.signal.aborted) throw error;
      const problem = describeProblem(error);
      // for a folder, `where` is the file, which the message may already begin with
      const named = job.where === '' || problem.message.startsWith(`${job.where}: `);
      process.stderr.write(`${named ? '' : `${job.where}: `}${problem.message}\n`);
      exitCode = problem.exitCode;
      failed++;
    }
  }
  if (present > 0) process.stderr.write(`${present} of ${jobs.length} existed already\n`);
  if (failed > 0) process.stderr.write(`${failedLine(failed, jobs.length)}\n`);
  return exitCode;
}
