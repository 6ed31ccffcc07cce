/** One result of `mfm generate`: its cost told, made, written, with the recipe that it follows from. */

import { resolve } from 'node:path';
import { InputError } from '../../../errors.js';
import type { ClipWriter, Frames } from '../../../media/index.js';
import type { DepthModel } from '../../../models/depth-anything/index.js';
import type { Fitted, GenerateRequest, Result } from '../../../pipeline/generate/generate.js';
import type { Pipeline } from '../../../pipeline/index.js';
import type { PipelineShape } from '../../../pipeline/shape.js';
import { seedInJson } from '../../../seed.js';
import type { Target, Task } from '../../../tasks/index.js';
import type { LoraRecord } from '../../options/lora.js';
import { type Planner, planLines, sizeInWords } from '../../options/result-cost.js';
import { withOptions } from '../../terminal/fields.js';
import { formatDuration } from '../../terminal/progress.js';
import type { Job } from './jobs.js';
import { maskSourceOf } from './mask-options.js';
import type { GenerateOptions } from './options.js';
import { PhaseProgress } from './phase-progress.js';
import { dtypeOf } from './reference-options.js';
import { type AskedSettings, type ResultSettings, versions } from './result-settings.js';
import type { rewriter } from './rewrite.js';

/** What all jobs of a command share. */
export interface Context {
  task: Task;
  folder: string;
  pipeline: Pipeline;
  depthModel: DepthModel | null;
  loras: readonly LoraRecord[];
  rewrite: ReturnType<typeof rewriter> | null;
  shape: PipelineShape;
  planner: Planner;
  options: GenerateOptions;
  signal: AbortSignal;
}

/** Makes one result; the recipe that it returns is in the file too. */
export async function make(job: Job, context: Context): Promise<ResultSettings> {
  const { task, folder, options } = context;
  const prompt = await rewrittenPrompt(job, context);
  const request = await requestOf(job, context);
  if (prompt !== undefined) request.prompt = prompt;
  if (options.compareFull && !request.cacheThreshold && !request.guidanceRange) {
    throw new InputError(
      '--compare-full: compares a short cut with the full run; add --cache, --guidance-from or --guidance-until',
    );
  }
  const output = new Output(job, context, request);
  const made = await sampled(request, context, output, (fitted) =>
    announce(fitted, request, context),
  );
  if (made.reused > 0) {
    process.stderr.write(`${made.reused} steps used the one before again (--cache)\n`);
  }
  if (options.compareFull) await compareWithFull(request, made, context);
  const { recipe, size } = output.done!;
  process.stderr.write(`${task.id} ${sizeInWords(size)}, seed ${job.seed}, ${folder}\n`);
  process.stdout.write(`${resolve(job.output)}\n`);
  return recipe;
}

interface Sampled {
  /** kept only for --compare-full */
  frames: Frames[];
  /** steps that `--cache` saved */
  reused: number;
  /** of everything but reading the input */
  seconds: number;
}

/** Makes a result and passes its pieces on, as they come. */
async function sampled(
  request: GenerateRequest,
  { task, pipeline, depthModel, signal, options }: Context,
  output: Output | null,
  onFitted?: GenerateRequest['onFitted'],
): Promise<Sampled> {
  const { startResult } = await import('../../../pipeline/generate/generate.js');
  const { estimateDepth } = await import('../../../models/depth-anything/index.js');
  const { SeamFigures } = await import('./seam-figures.js');
  const progress = new PhaseProgress(task.id);
  const seams = new SeamFigures();
  let reused = 0;
  let startMs = performance.now();
  const frames: Frames[] = [];
  try {
    const result = await startResult(pipeline, {
      ...request,
      estimateDepth: depthModel && ((known) => estimateDepth(depthModel, known)),
      signal,
      onFitted: async (fitted) => {
        await onFitted?.(fitted);
        startMs = performance.now();
      },
      onWindow: (index, count) => progress.window(index, count),
      onStep: (_step, _total, state) => {
        if (state.reused) reused++;
      },
      onProgress: (phase, done, total) => progress.update(phase, done, total),
    });
    const told = result.notes.length;
    for await (const piece of result.pieces) {
      if (options.compareFull) frames.push(piece.frames);
      seams.add(piece);
      await output?.write(piece.frames, result);
    }
    await output?.finish();
    progress.end();
    if (output) {
      for (const line of [...result.notes.slice(told), ...seams.lines()]) {
        process.stderr.write(`${withOptions(line)}\n`);
      }
    }
    return { frames, reused, seconds: (performance.now() - startMs) / 1000 };
  } finally {
    progress.end();
    await output?.abort();
  }
}

/** The file that a result becomes: a picture, or a clip that is written as its pieces come. */
class Output {
  /** when the file is there */
  done: { recipe: ResultSettings; size: Target } | null = null;
  private writer: ClipWriter | null = null;
  private picture: Frames | null = null;
  private recipe: ResultSettings | null = null;
  private size: Target | null = null;

  constructor(
    private readonly job: Job,
    private readonly context: Context,
    private readonly request: GenerateRequest,
  ) {}

  async write(frames: Frames, result: Result): Promise<void> {
    const { task, options, signal } = this.context;
    const { width, height } = frames;
    const fps = options.fps ?? result.fps;
    if (!this.size) {
      const { audio, fullRange, numFrames } = result;
      this.recipe = await this.recipeOf({ width, height, numFrames, fps });
      this.size = { width, height, numFrames: 0 };
      const description = JSON.stringify(this.recipe);
      if (task.result === 'video') {
        const { createClipWriter } = await import('../../../media/index.js');
        // another rate would part pictures and sound
        if (audio && fps !== result.fps) {
          result.notes.push(
            `--fps: ${fps} is not the ${result.fps} of the input, so its sound is left out, if it has any`,
          );
        }
        const sound = audio && fps === result.fps ? { path: audio, startSeconds: 0 } : undefined;
        const settings = { width, height, fps, description, fullRange, signal, audio: sound };
        this.writer = await createClipWriter(this.job.output, settings);
        if (!this.writer.isWidelyPlayed) {
          const even = [width, height].map((side) => side + (side % 2)).join('x');
          result.notes.push(
            `${this.job.output}: ${width}x${height} is an odd size, so it is H.264 4:4:4, which QuickTime and phones do not play; --size ${even} plays everywhere`,
          );
        }
      }
    }
    this.size.numFrames += frames.numFrames;
    if (this.writer) await this.writer.write(frames);
    else this.picture = frames;
  }

  async finish(): Promise<void> {
    const recipe = this.recipe!;
    const { task } = this.context;
    const { numFrames } = this.size!;
    if (this.writer) await this.writer.finish();
    else {
      const { writeImage } = await import('../../../media/index.js');
      await writeImage(this.job.output, this.picture!, { description: JSON.stringify(recipe) });
    }
    // a clip may end before or after what its file says
    const made = task.result === 'video' ? { ...recipe.made, numFrames } : recipe.made;
    this.done = { recipe: { ...recipe, made }, size: this.size! };
  }

  /** Leaves nothing, unless the file is there already. */
  async abort(): Promise<void> {
    if (!this.done) await this.writer?.abort();
  }

  private async recipeOf(made: {
    width: number;
    height: number;
    numFrames: number | null;
    fps: number;
  }): Promise<ResultSettings> {
    const { task, pipeline } = this.context;
    const { width, height, numFrames, fps } = made;
    const { prompt } = this.request;
    const { device, dtype } = pipeline;
    return {
      ...(await settingsOf(this.job, this.context)),
      made: {
        prompt,
        width,
        height,
        ...(task.result === 'image' ? { numFrames: 1 } : { ...(numFrames && { numFrames }), fps }),
        solver: this.job.options.solver ?? 'euler',
        device,
        dtype,
        ...(await versions()),
      },
    };
  }
}

/** Says how near a result comes to the one without short cuts, and what they saved. */
async function compareWithFull(
  request: GenerateRequest,
  quick: Sampled,
  context: Context,
): Promise<void> {
  const { clipPsnr, mean } = await import('../../../eval/quality.js');
  const whole = { ...request, cacheThreshold: undefined, guidanceRange: undefined };
  const full = await sampled(whole, context, null);
  const psnr = mean(quick.frames.map((frames, i) => clipPsnr(frames, full.frames[i]!))).toFixed(1);
  process.stderr.write(
    `against the full run: PSNR ${psnr} dB, in ${((100 * quick.seconds) / full.seconds).toFixed(0)}% of its ${full.seconds.toFixed(1)} s\n`,
  );
}

/** What the prompt becomes, where it is to be rewritten. */
async function rewrittenPrompt(job: Job, context: Context): Promise<string | undefined> {
  const { task, rewrite } = context;
  if (!rewrite) return undefined;
  const { expectParts } = await import('../../../pipeline/generate/request.js');
  const request = await requestOf(job, context);
  expectParts(task, request); // what cannot be made is not sent either
  const prompt = await rewrite({ task, prompt: request.prompt, input: request.inputs[0] });
  process.stderr.write(`prompt: ${prompt}\n`);
  return prompt;
}

/** Says what was fitted and what it will cost. @throws InputError if there is not the memory for it */
async function announce(
  { target, given, tiles, rounds, fps, notes }: Fitted,
  request: GenerateRequest,
  { task, folder, pipeline, planner, shape, depthModel, options }: Context,
): Promise<void> {
  const { availableBytes } = await import('../../../pipeline/cost/plan.js');
  const { ownSigmas } = await import('../../../pipeline/generate/make-window.js');
  const settings = pipeline.settingsFor(task);
  const say = (line: string) => process.stderr.write(`${line}\n`);
  for (const note of notes) say(withOptions(note));
  if (task.result === 'video') {
    const { expectRate } = await import('../../../media/index.js');
    expectRate(request.inputs[0] ?? folder, options.fps ?? fps, 'give the rate with --fps');
  }
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
  const hasDepth =
    given.geometry !== null ||
    (given.depth && (depthModel !== null || request.depth !== undefined));
  const work = {
    target,
    tiles,
    numInferenceSteps,
    guidanceScale,
    promptLength: settings.promptLength,
    guidedSteps: pipeline.guidedSteps({ ...request, numInferenceSteps, guidanceScale, sigmas }),
    depth: hasDepth || (request.noiseAugStrength ?? 0) > 0,
  };
  const plan = await planner.plan(work);
  if (options.checkMemory) await planner.expectToFit(plan, work);
  if (!planner.isNews(plan)) return; // the next of many alike
  for (const line of planLines(task.id, plan, shape, availableBytes())) say(line);
  if (rounds === null) say('  again and again, until the input ends');
  else if (rounds > 1) {
    say(`  ${rounds} times, about ${formatDuration(rounds * plan.seconds)} in all`);
  }
}

async function requestOf(
  { options, seed }: Job,
  { task, options: all }: Context,
): Promise<GenerateRequest> {
  const cropType = (all.cropType ?? 'keep_ratio') as 'keep_ratio';
  return {
    task,
    seed,
    prompt: options.prompt ?? '',
    addedPrompt: options.addedPrompt,
    negativePrompt: options.negativePrompt,
    inputs: options.input,
    mask: await maskSourceOf(options),
    invertMask: options.invertMask || undefined,
    expand: options.expand,
    reference: options.reference,
    fit: options.fit,
    strict: options.strict || undefined,
    keepKnown: options.keepKnown,
    window: options.window,
    tile: options.tiles === false ? null : options.tile,
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
export async function settingsOf(job: Job, context: Context): Promise<AskedSettings> {
  const { task, folder, pipeline, loras, options } = context;
  const { task: _, seed, ...request } = await requestOf(job, context);
  return {
    task: task.id,
    pipeline: folder,
    dtype: dtypeOf(options.dtype, options.mixedPrecision),
    device: options.device,
    depthModel: options.depthModel,
    loras: loras.length > 0 ? loras : undefined,
    fps: options.fps,
    rewriteModel: options.rewriteModel,
    ...pick(pipeline.settingsFor(task), SETTINGS),
    seed: seedInJson(seed),
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
