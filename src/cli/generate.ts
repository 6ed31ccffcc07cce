/** `mfm generate`: one task on the user's own prompts, images, clips and masks. */
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { InputError } from '../errors.js';
import type { DepthModel } from '../models/depth-anything/index.js';
import type { GenerateRequest } from '../pipeline/generate.js';
import type { Pipeline } from '../pipeline/index.js';
import type { Prepared } from '../pipeline/prepare.js';
import type { PipelineShape } from '../pipeline/shape.js';
import { didYouMean } from '../suggest.js';
import type { Task } from '../tasks/index.js';
import { chosenDevice } from './device.js';
import type { GenerateOptions } from './generate-options.js';
import type { Example } from './help.js';
import { INTERRUPTED, withInterrupt } from './interrupt.js';
import { type Job, manyJobs, oneJob } from './jobs.js';
import { PhaseProgress } from './phase-progress.js';
import { Planner, planLines } from './plan.js';
import { describeProblem } from './problem.js';

export const summary = 'make images or clips: from prompts, images, clips, masks';

export { args } from './generate-options.js';

export const examples: readonly Example[] = [
  ['a clip from a prompt', 'generate t2v -p "a red cube moves left"'],
  ['a clip that begins with a photo', 'generate i2v -i photo.jpg -p "the camera pans right"'],
  ['fill the white part of a mask', 'generate vinp -i clip.mp4 --mask hole.png -o filled.mp4'],
  ['three pictures of every prompt', 'generate t2i --batch prompts.txt --samples 3 -o pictures'],
];

/** The tasks; the table of them needs LibTorch, without which help shows the options alone. */
export async function details(): Promise<string> {
  try {
    const { TASKS } = await import('../tasks/index.js');
    const lines = Object.values(TASKS).map(({ id, summary: what }) => `  ${id.padEnd(6)} ${what}`);
    return ['Tasks:', ...lines].join('\n');
  } catch (error) {
    return `Tasks: cannot be listed (${(error as Error).message})`;
  }
}

export async function run(options: GenerateOptions): Promise<number | undefined> {
  const { TASKS, TASK_IDS } = await import('../tasks/index.js');
  const { findFfmpeg } = await import('../media/index.js');
  const { newestPipeline, resolvePipeline } = await import('../pipeline/find.js');
  const { depthFolderOf, openPipeline } = await import('../pipeline/index.js');
  const { readShape } = await import('../pipeline/shape.js');
  const { openDepthModel } = await import('../models/depth-anything/index.js');

  const task = TASKS[options.task as keyof typeof TASKS] as Task | undefined;
  if (!task) {
    throw new InputError(
      `${options.task}: unknown task${didYouMean(options.task, TASK_IDS) || `; there are ${TASK_IDS.join(', ')}`}`,
    );
  }
  if (options.cropType && !options.compat) {
    throw new InputError('--crop-type: belongs to --compat reference; add that or leave it out');
  }
  const several = options.batch !== undefined || options.samples > 1;
  const jobs = several ? manyJobs(task, options) : [await oneJob(task, options)];
  // found missing now, not when the clip has been made
  if (task.result === 'video' && !jobs[0]!.output.toLowerCase().endsWith('.gif')) findFfmpeg();
  const folder = options.pipeline ? resolvePipeline(options.pipeline) : newestPipeline();
  const device = await chosenDevice(options.device, options.dtype);
  const pipeline = openPipeline(folder, { dtype: options.dtype as 'auto', device });
  const depthFolder = options.depthModel
    ? resolvePipeline(options.depthModel)
    : depthFolderOf(folder);
  const depthModel = depthFolder ? openDepthModel(depthFolder, { device }) : null;
  const trained = pipeline.settings.tasks;
  if (trained && !trained.includes(task.id)) {
    process.stderr.write(`${folder}: was not trained on ${task.id} (only ${trained.join(', ')})\n`);
  }

  return withInterrupt('stopping after this step', async (signal) => {
    try {
      const shape = readShape(folder);
      const { dtype, oneAtATime } = pipeline;
      const planner = new Planner(shape, { dtype, oneAtATime });
      const context = { task, folder, pipeline, depthModel, shape, planner, options, signal };
      return several ? await makeAll(jobs, context) : await make(jobs[0]!, context);
    } catch (error) {
      if (signal.aborted) return INTERRUPTED;
      throw error;
    } finally {
      pipeline.dispose();
      depthModel?.network.dispose();
    }
  });
}

interface Context {
  task: Task;
  folder: string;
  pipeline: Pipeline;
  depthModel: DepthModel | null;
  shape: PipelineShape;
  planner: Planner;
  options: GenerateOptions;
  signal: AbortSignal;
}

/** Makes what is not there yet; a job that fails does not stop the others. */
async function makeAll(jobs: Job[], context: Context): Promise<number | undefined> {
  const { writeAtomically } = await import('../media/index.js');
  let exitCode: number | undefined;
  let present = 0;
  for (const [i, job] of jobs.entries()) {
    const about = `${job.output}.json`;
    const settings = JSON.parse(JSON.stringify(recipeOf(job, context)));
    if (existsSync(job.output) && isDeepStrictEqual(readRecipe(about), settings)) {
      present++;
      continue;
    }
    try {
      process.stderr.write(`${i + 1} of ${jobs.length}: ${job.output}\n`);
      const startMs = performance.now();
      await make(job, context);
      const seconds = Math.round(performance.now() - startMs) / 1000;
      const text = `${JSON.stringify({ ...settings, seconds }, null, 2)}\n`;
      await writeAtomically(about, (temporary) => writeFile(temporary, text));
    } catch (error) {
      if (context.signal.aborted) throw error;
      const problem = describeProblem(error);
      const message = job.where ? `${job.where}: ${problem.message}` : problem.message;
      process.stderr.write(`${message}\n`);
      exitCode = problem.exitCode;
    }
  }
  if (present > 0) process.stderr.write(`${present} of ${jobs.length} were there already\n`);
  return exitCode;
}

function readRecipe(path: string): unknown {
  if (!existsSync(path)) return null;
  const { seconds: _, ...settings } = JSON.parse(readFileSync(path, 'utf8'));
  return settings;
}

async function make(job: Job, context: Context): Promise<undefined> {
  const { writeMedia } = await import('../media/index.js');
  const { generate } = await import('../pipeline/generate.js');
  const { estimateDepth } = await import('../models/depth-anything/index.js');
  const { task, folder, pipeline, depthModel, options, signal } = context;
  const progress = new PhaseProgress(task.id);
  let reused = 0;
  try {
    const { frames, fps } = await generate(pipeline, {
      ...requestOf(job, context),
      estimateDepth: depthModel && ((known) => estimateDepth(depthModel, known)),
      signal,
      onPrepared: async (prepared) => {
        for (const note of prepared.notes) process.stderr.write(`${note}\n`);
        if (prepared.given.depth && !depthModel && pipeline.settings.usesDepth) {
          process.stderr.write(
            `${folder}: has no depth model, so ${task.id} goes without depth; name one with --depth-model\n`,
          );
        }
        // what is known of other devices does not tell their cost
        if (pipeline.device === 'cpu') await announce(prepared, job, context);
      },
      onStep: (_step, _total, state) => {
        if (state.reused) reused++;
      },
      onProgress: (phase, done, total) => progress.update(phase, done, total),
    });
    progress.end();
    if (reused > 0) process.stderr.write(`${reused} steps used the one before again (--cache)\n`);
    const description = JSON.stringify(recipeOf(job, context));
    await writeMedia(job.output, frames, { fps: options.fps ?? fps, signal, description });
    const { width, height, numFrames } = frames;
    const size = `${width}x${height}${numFrames > 1 ? `, ${numFrames} frames` : ''}`;
    process.stderr.write(`${task.id} ${size}, seed ${job.seed}, ${folder}\n`);
    process.stdout.write(`${resolve(job.output)}\n`);
  } finally {
    progress.end();
  }
  return undefined;
}

/** Says what the job will cost. @throws InputError if there is not the memory for it */
async function announce({ target, given }: Prepared, job: Job, context: Context): Promise<void> {
  const { availableBytes } = await import('../pipeline/plan.js');
  const { task, pipeline, planner, shape, depthModel, options } = context;
  const request = requestOf(job, context);
  const settings = pipeline.settingsFor(task);
  const numInferenceSteps = request.numInferenceSteps ?? settings.numInferenceSteps;
  const guidanceScale = request.guidanceScale ?? settings.guidanceScale;
  const work = {
    ...{ target, numInferenceSteps, guidanceScale, promptLength: settings.promptLength },
    guidedSteps: pipeline.guidedSteps({ ...request, numInferenceSteps, guidanceScale }),
    depth: given.depth && depthModel !== null,
  };
  const plan = await planner.plan(work);
  if (options.checkMemory) await planner.expectToFit(plan, work);
  for (const line of planLines(task.id, plan, shape, availableBytes())) {
    process.stderr.write(`${line}\n`);
  }
}

function requestOf({ options, seed }: Job, { task, options: all }: Context): GenerateRequest {
  const cropType = (all.cropType ?? 'keep_ratio') as 'keep_ratio';
  return {
    task,
    seed,
    prompt: options.prompt ?? '',
    addedPrompt: options.addedPrompt,
    negativePrompt: options.negativePrompt,
    inputs: options.input,
    mask: options.mask,
    size: options.size,
    numFrames: options.frames,
    numInferenceSteps: options.steps,
    guidanceScale: options.guidance,
    motionScore: options.motionScore,
    solver: options.solver,
    guidanceRange: guidanceRangeOf(options),
    cacheThreshold: options.cache,
    upscale: options.upscale,
    compat: all.compat ? { cropType } : undefined,
  };
}

function guidanceRangeOf({
  guidanceFrom,
  guidanceUntil,
}: Job['options']): [number, number] | undefined {
  if (guidanceFrom === undefined && guidanceUntil === undefined) return undefined;
  const [from, until] = [guidanceFrom ?? 1, guidanceUntil ?? 0];
  if (from > until) return [from, until];
  throw new InputError(
    `--guidance-from: must be above --guidance-until (noise falls from 1 to 0), got ${from} and ${until}`,
  );
}

/** All that the result follows from; it is stored in the file, and beside it in a batch. */
function recipeOf(job: Job, context: Context): Record<string, unknown> {
  const { task, folder, pipeline, options } = context;
  const { task: _, ...request } = requestOf(job, context);
  return {
    task: task.id,
    pipeline: folder,
    dtype: options.dtype,
    device: options.device === 'auto' ? undefined : options.device,
    depthModel: options.depthModel,
    ...pick(pipeline.settingsFor(task), SETTINGS),
    ...pick(request, Object.keys(request)),
  };
}

const SETTINGS = [
  ...['numInferenceSteps', 'guidanceScale', 'motionScore', 'addedPrompt', 'negativePrompt'],
];

/** The named entries that are set. */
function pick(from: object, names: string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(from).filter(([name, value]) => names.includes(name) && value !== undefined),
  );
}
