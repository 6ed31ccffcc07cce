/** One result of `mfm generate`: its cost told, made, written, with the recipe that it follows from. */
import { resolve } from 'node:path';
import { InputError } from '../errors.js';
import type { Frames } from '../media/index.js';
import type { DepthModel } from '../models/depth-anything/index.js';
import type { GenerateRequest } from '../pipeline/generate.js';
import type { Pipeline } from '../pipeline/index.js';
import type { Fitted } from '../pipeline/prepare.js';
import type { PipelineShape } from '../pipeline/shape.js';
import type { Task } from '../tasks/index.js';
import type { GenerateOptions } from './generate-options.js';
import type { Job } from './jobs.js';
import { PhaseProgress } from './phase-progress.js';
import { type Planner, planLines, sizeInWords } from './plan.js';
import { type Recipe, type Settings, versions } from './recipe.js';
import { dtypeOf } from './reference-options.js';
import type { rewriter } from './rewrite.js';

/** What all jobs of a command share. */
export interface Context {
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

/** Makes one result; the recipe that it returns is in the file too. */
export async function make(job: Job, context: Context): Promise<Recipe> {
  const { writeMedia } = await import('../media/index.js');
  const { task, folder, pipeline, options, signal } = context;
  const prompt = await rewrittenPrompt(job, context);
  const request = requestOf(job, context);
  if (prompt !== undefined) request.prompt = prompt;
  if (options.compareFull && !request.cacheThreshold && !request.guidanceRange) {
    throw new InputError(
      '--compare-full: compares a short cut with the full run; add --cache, --guidance-from or --guidance-until',
    );
  }

  const made = await sampled(request, context, (fitted) => announce(fitted, request, context));
  const { frames, reused } = made;
  if (reused > 0) process.stderr.write(`${reused} steps used the one before again (--cache)\n`);
  if (options.compareFull) await compareWithFull(request, made, context);

  const { width, height, numFrames } = frames;
  const fps = options.fps ?? made.fps;
  const result = { prompt, width, height, numFrames, ...(task.result === 'video' && { fps }) };
  const { device, dtype } = pipeline;
  const engine = { solver: job.options.solver ?? 'euler', device, dtype };
  const recipe: Recipe = {
    ...settingsOf(job, context),
    made: { ...result, ...engine, ...(await versions()) },
  };
  const description = JSON.stringify(recipe);
  await writeMedia(job.output, frames, { fps, signal, description });
  process.stderr.write(`${task.id} ${sizeInWords(frames)}, seed ${job.seed}, ${folder}\n`);
  process.stdout.write(`${resolve(job.output)}\n`);
  return recipe;
}

interface Sampled {
  frames: Frames;
  fps: number;
  /** steps that `--cache` saved */
  reused: number;
  /** of everything but reading the input */
  seconds: number;
}

async function sampled(
  request: GenerateRequest,
  { task, pipeline, depthModel, signal }: Context,
  onFitted?: GenerateRequest['onFitted'],
): Promise<Sampled> {
  const { generate } = await import('../pipeline/generate.js');
  const { estimateDepth } = await import('../models/depth-anything/index.js');
  const progress = new PhaseProgress(task.id);
  let reused = 0;
  let startMs = performance.now();
  try {
    const { frames, fps } = await generate(pipeline, {
      ...request,
      estimateDepth: depthModel && ((known) => estimateDepth(depthModel, known)),
      signal,
      onFitted: async (fitted) => {
        await onFitted?.(fitted);
        startMs = performance.now();
      },
      onStep: (_step, _total, state) => {
        if (state.reused) reused++;
      },
      onProgress: (phase, done, total) => progress.update(phase, done, total),
    });
    return { frames, fps, reused, seconds: (performance.now() - startMs) / 1000 };
  } finally {
    progress.end();
  }
}

/** Says how near a result comes to the one without short cuts, and what they saved. */
async function compareWithFull(
  request: GenerateRequest,
  quick: Sampled,
  context: Context,
): Promise<void> {
  const { clipPsnr } = await import('../eval/quality.js');
  const whole = { ...request, cacheThreshold: undefined, guidanceRange: undefined };
  const full = await sampled(whole, context);
  const psnr = clipPsnr(quick.frames, full.frames).toFixed(1);
  process.stderr.write(
    `against the full run: PSNR ${psnr} dB, in ${((100 * quick.seconds) / full.seconds).toFixed(0)}% of its ${full.seconds.toFixed(1)} s\n`,
  );
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

/** Says what was fitted and what it will cost. @throws InputError if there is not the memory for it */
async function announce(
  { target, given, notes }: Fitted,
  request: GenerateRequest,
  { task, folder, pipeline, planner, shape, depthModel, options }: Context,
): Promise<void> {
  const { availableBytes } = await import('../pipeline/plan.js');
  const { ownSigmas } = await import('../pipeline/generate.js');
  const settings = pipeline.settingsFor(task);
  const say = (line: string) => process.stderr.write(`${line}\n`);
  for (const note of notes) say(note);
  if (request.depth && !settings.usesDepth) {
    say(`${folder}: was not trained with depth; --depth may make results worse`);
  } else if (given.depth && !depthModel && !request.depth && settings.usesDepth) {
    say(
      `${folder}: has no depth model, so ${task.id} goes without depth; name one with --depth-model, or give depth with --depth`,
    );
  }
  // what is known of other devices does not tell their cost
  if (pipeline.device !== 'cpu') return;

  const sigmas = ownSigmas(request, settings);
  const numInferenceSteps =
    sigmas?.length ?? request.numInferenceSteps ?? settings.numInferenceSteps;
  const guidanceScale = request.guidanceScale ?? settings.guidanceScale;
  const hasDepth = given.depth && (depthModel !== null || request.depth !== undefined);
  const work = {
    ...{ target, numInferenceSteps, guidanceScale, promptLength: settings.promptLength },
    guidedSteps: pipeline.guidedSteps({ ...request, numInferenceSteps, guidanceScale, sigmas }),
    depth: hasDepth || (request.noiseAugStrength ?? 0) > 0,
  };
  const plan = await planner.plan(work);
  if (options.checkMemory) await planner.expectToFit(plan, work);
  if (!planner.isNews(plan)) return; // the next of many alike
  for (const line of planLines(task.id, plan, shape, availableBytes())) say(line);
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
export function settingsOf(job: Job, context: Context): Settings {
  const { task, folder, pipeline, options } = context;
  const { task: _, ...request } = requestOf(job, context);
  return {
    task: task.id,
    pipeline: folder,
    dtype: dtypeOf(options.dtype, options.mixedPrecision),
    device: options.device,
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
