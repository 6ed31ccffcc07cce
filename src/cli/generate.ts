/** `mfm generate`: one task on the user's own prompts, images, clips and masks. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { InputError } from '../errors.js';
import type { DepthModel } from '../models/depth-anything/index.js';
import type { GenerateRequest } from '../pipeline/generate.js';
import type { Pipeline } from '../pipeline/index.js';
import type { Prepared } from '../pipeline/prepare.js';
import type { PipelineShape } from '../pipeline/shape.js';
import type { Task } from '../tasks/index.js';
import { chosenDevice } from './device.js';
import type { GenerateOptions } from './generate-options.js';
import type { Example } from './help.js';
import { INTERRUPTED, withInterrupt } from './interrupt.js';
import { type Job, manyJobs, oneJob } from './jobs.js';
import { PhaseProgress } from './phase-progress.js';
import { Planner, planLines } from './plan.js';
import { describeProblem } from './problem.js';
import { isRecipeOf, type Recipe, type Settings, versions } from './recipe.js';
import { dtypeOf, listsOf } from './reference-options.js';
import { endpointOf, rewriter } from './rewrite.js';

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
  const { taskOf } = await import('../tasks/index.js');
  const { findFfmpeg } = await import('../media/index.js');
  const { newestPipeline, resolvePipeline } = await import('../pipeline/find.js');
  const { depthFolderOf, openPipeline } = await import('../pipeline/index.js');
  const { readShape } = await import('../pipeline/shape.js');
  const { openDepthModel } = await import('../models/depth-anything/index.js');

  const task: Task = taskOf(options.task);
  if (options.cropType && !options.compat) {
    throw new InputError('--crop-type: belongs to --compat reference; add that or leave it out');
  }
  if (options.depth.length > 0 && options.depthModel) {
    throw new InputError(
      '--depth: is given in place of what --depth-model tells; give one of them',
    );
  }
  const dtype = dtypeOf(options.dtype, options.mixedPrecision);
  const endpoint = endpointOf(options);
  const several = listsOf(task.id, options).length > 0 || options.samples > 1;
  const jobs = several ? await manyJobs(task, options) : [await oneJob(task, options)];
  // found missing now, not when the clip has been made
  if (task.result === 'video' && !jobs[0]!.output.toLowerCase().endsWith('.gif')) findFfmpeg();
  const folder = options.pipeline ? resolvePipeline(options.pipeline) : newestPipeline();
  const device = await chosenDevice(options.device, dtype);
  const pipeline = openPipeline(folder, { dtype, device });
  const depthFolder = options.depthModel
    ? resolvePipeline(options.depthModel)
    : depthFolderOf(folder);
  const depthModel = depthFolder ? openDepthModel(depthFolder, { dtype, device }) : null;
  const trained = pipeline.settings.tasks;
  if (trained && !trained.includes(task.id)) {
    process.stderr.write(`${folder}: was not trained on ${task.id} (only ${trained.join(', ')})\n`);
  }

  return withInterrupt('stopping after this step', async (signal) => {
    try {
      const shape = readShape(folder);
      const { dtype, oneAtATime } = pipeline;
      const planner = new Planner(shape, { dtype, oneAtATime });
      const rewrite = endpoint && rewriter(endpoint, { signal });
      const plans = { shape, planner };
      const context = { task, folder, pipeline, depthModel, rewrite, ...plans, options, signal };
      if (several) return await makeAll(jobs, context);
      await make(jobs[0]!, context);
      return undefined;
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
  rewrite: ReturnType<typeof rewriter> | null;
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
    try {
      if (existsSync(job.output) && isRecipeOf(about, settingsOf(job, context))) {
        present++;
        continue;
      }
      process.stderr.write(`${i + 1} of ${jobs.length}: ${job.output}\n`);
      const startMs = performance.now();
      const { made, ...settings } = await make(job, context);
      const seconds = Math.round(performance.now() - startMs) / 1000;
      const text = `${JSON.stringify({ ...settings, made: { ...made, seconds } }, null, 2)}\n`;
      await writeAtomically(about, (temporary) => writeFile(temporary, text));
    } catch (error) {
      if (context.signal.aborted) throw error;
      const problem = describeProblem(error);
      // a row of a folder is its file, which the sentence may name already
      const named = job.where === '' || problem.message.startsWith(`${job.where}: `);
      process.stderr.write(`${named ? '' : `${job.where}: `}${problem.message}\n`);
      exitCode = problem.exitCode;
    }
  }
  if (present > 0) process.stderr.write(`${present} of ${jobs.length} were there already\n`);
  return exitCode;
}

/** Makes one result; the recipe that it returns is in the file too. */
async function make(job: Job, context: Context): Promise<Recipe> {
  const { writeMedia } = await import('../media/index.js');
  const { generate } = await import('../pipeline/generate.js');
  const { estimateDepth } = await import('../models/depth-anything/index.js');
  const { task, folder, pipeline, depthModel, options, signal } = context;
  const progress = new PhaseProgress(task.id);
  let reused = 0;
  let device = '';
  try {
    const prompt = await rewrittenPrompt(job, context);
    const request = requestOf(job, context);
    const { frames, fps: ownFps } = await generate(pipeline, {
      ...request,
      prompt: prompt ?? request.prompt,
      estimateDepth: depthModel && ((known) => estimateDepth(depthModel, known)),
      signal,
      onPrepared: async (prepared) => {
        for (const note of prepared.notes) process.stderr.write(`${note}\n`);
        const { usesDepth } = pipeline.settings;
        const depthIsGiven = job.options.depth.length > 0;
        if (depthIsGiven && !usesDepth) {
          process.stderr.write(
            `${folder}: was not trained with depth; --depth may make results worse\n`,
          );
        } else if (prepared.given.depth && !depthModel && !depthIsGiven && usesDepth) {
          process.stderr.write(
            `${folder}: has no depth model, so ${task.id} goes without depth; name one with --depth-model, or give depth with --depth\n`,
          );
        }
        // what is known of other devices does not tell their cost
        if (pipeline.device === 'cpu') await announce(prepared, job, context);
      },
      onStep: (_step, _total, state) => {
        device ||= state.latents.device;
        if (state.reused) reused++;
      },
      onProgress: (phase, done, total) => progress.update(phase, done, total),
    });
    progress.end();
    if (reused > 0) process.stderr.write(`${reused} steps used the one before again (--cache)\n`);
    const { width, height, numFrames } = frames;
    const fps = options.fps ?? ownFps;
    const result = { prompt, width, height, numFrames, ...(task.result === 'video' && { fps }) };
    const engine = { solver: job.options.solver ?? 'euler', device, dtype: pipeline.dtype };
    const recipe: Recipe = {
      ...settingsOf(job, context),
      made: { ...result, ...engine, ...(await versions()) },
    };
    const description = JSON.stringify(recipe);
    await writeMedia(job.output, frames, { fps, signal, description });
    const size = `${width}x${height}${numFrames > 1 ? `, ${numFrames} frames` : ''}`;
    process.stderr.write(`${task.id} ${size}, seed ${job.seed}, ${folder}\n`);
    process.stdout.write(`${resolve(job.output)}\n`);
    return recipe;
  } finally {
    progress.end();
  }
}

/** What the prompt becomes, where it is to be rewritten. */
async function rewrittenPrompt(job: Job, context: Context): Promise<string | undefined> {
  const { task, rewrite } = context;
  if (!rewrite) return undefined;
  const { expectParts } = await import('../pipeline/prepare.js');
  const request = requestOf(job, context);
  expectParts(task, request); // what cannot be made is not sent either
  const prompt = await rewrite({ task, prompt: request.prompt, input: request.inputs[0] });
  process.stderr.write(`prompt: ${prompt}\n`);
  return prompt;
}

/** Says what the job will cost. @throws InputError if there is not the memory for it */
async function announce({ target, given }: Prepared, job: Job, context: Context): Promise<void> {
  const { availableBytes } = await import('../pipeline/plan.js');
  const { ownSigmas } = await import('../pipeline/generate.js');
  const { task, pipeline, planner, shape, depthModel, options } = context;
  const request = requestOf(job, context);
  const settings = pipeline.settingsFor(task);
  const sigmas = ownSigmas(request, settings);
  const numInferenceSteps =
    sigmas?.length ?? request.numInferenceSteps ?? settings.numInferenceSteps;
  const guidanceScale = request.guidanceScale ?? settings.guidanceScale;
  const work = {
    ...{ target, numInferenceSteps, guidanceScale, promptLength: settings.promptLength },
    guidedSteps: pipeline.guidedSteps({ ...request, numInferenceSteps, guidanceScale, sigmas }),
    depth: given.depth && depthModel !== null && !request.depth,
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
    depth: options.depth.length > 0 ? options.depth : undefined,
    size: options.size,
    numFrames: options.frames,
    numInferenceSteps: options.steps,
    guidanceScale: options.guidance,
    motionScore: options.motionScore,
    solver: options.solver,
    useTSchedule: all.useTSchedule || undefined,
    guidanceRange: guidanceRangeOf(options),
    noiseAugStrength: options.noiseAugStrength,
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
function settingsOf(job: Job, context: Context): Settings {
  const { task, folder, pipeline, options } = context;
  const { task: _, ...request } = requestOf(job, context);
  return {
    task: task.id,
    pipeline: folder,
    dtype: dtypeOf(options.dtype, options.mixedPrecision),
    device: options.device === 'auto' ? undefined : options.device,
    depthModel: options.depthModel,
    fps: options.fps,
    rewriteModel: options.rewriteModel,
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
