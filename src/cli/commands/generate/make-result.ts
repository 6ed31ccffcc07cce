/** One result of `mfm generate`: its cost told, made, written, with the settings that it follows from. */

import { InputError } from '../../../errors.js';
import type {
  Generation,
  Mfm,
  GenerateOptions as Request,
  ResultPlan,
  ResultSettings,
  SaveOptions,
} from '../../../index.js';
import { sizeInWords } from '../../../pipeline/cost/planner.js';
import type { Task } from '../../../tasks/index.js';
import { planLines } from '../../options/result-cost.js';
import { withOptions } from '../../terminal/fields.js';
import { formatDuration } from '../../terminal/progress.js';
import type { Job } from './jobs.js';
import { maskSourceOf } from './mask-options.js';
import type { GenerateOptions } from './options.js';
import { PhaseProgress } from './phase-progress.js';
import type { rewriter } from './rewrite.js';

/** What all jobs of a command share. */
export interface Context {
  task: Task;
  mfm: Mfm;
  rewrite: ReturnType<typeof rewriter> | null;
  options: GenerateOptions;
  signal: AbortSignal;
  /** the work whose cost was told last; the next of many alike is not told again */
  toldWork: string;
}

const say = (line: string) => process.stderr.write(`${withOptions(line)}\n`);

/** A result that is asked for and not begun, and what is said while it is made. */
export interface Begun {
  job: Job;
  request: Request;
  generation: Generation;
  saving: SaveOptions;
  talk: Talk;
}

/** @throws InputError for options that contradict each other */
export async function begin(job: Job, context: Context): Promise<Begun> {
  const { task, mfm, rewrite, options, signal } = context;
  const talk = new Talk(context);
  const request: Request = {
    ...(await requestOf(job, context)),
    keepFrames: options.compareFull ?? false,
    checkMemory: options.checkMemory,
    signal,
    onNote: talk.note,
    onPlan: talk.plan,
    onProgress: talk.progress,
  };
  if (options.compareFull && !request.cacheThreshold && !request.guidanceRange) {
    throw new InputError(
      '--compare-full: compares a short cut with the full run; add --cache, --guidance-from or --guidance-until',
    );
  }
  if (rewrite) {
    request.rewritePrompt = async (wish) => {
      const prompt = await rewrite({ task, prompt: wish, input: job.options.input[0] });
      say(`prompt: ${prompt}`);
      return prompt;
    };
  }
  const generation = mfm.generate(task, request);
  const { fps, rewriteModel } = options;
  return { job, request, generation, talk, saving: { fps, settings: { rewriteModel } } };
}

/** Makes it; the settings that it returns are in the file too. */
export async function make(begun: Begun, context: Context): Promise<ResultSettings> {
  const { job, generation, saving, talk } = begun;
  const { task, mfm, options } = context;
  try {
    const { path, settings, ...size } = await generation.save(job.output, saving);
    talk.end();
    const { reusedSteps } = generation.figures;
    if (reusedSteps > 0) say(`${reusedSteps} steps used the one before again (--cache)`);
    if (options.compareFull) await compareWithFull(begun, settings, context);
    say(`${task.id} ${sizeInWords(size)}, seed ${job.seed}, ${mfm.folder}`);
    process.stdout.write(`${path}\n`);
    return settings;
  } finally {
    talk.stop();
  }
}

/** What is said of a result: before it is made at once, then when it is there. */
class Talk {
  private readonly line: PhaseProgress;
  /** notes that come while a line of progress is shown; null: none is */
  private later: string[] | null = null;

  constructor(private readonly context: Context) {
    this.line = new PhaseProgress(context.task.id);
  }

  readonly note = (sentence: string): void => {
    if (this.later) this.later.push(sentence);
    else say(sentence);
  };

  readonly plan = (plan: ResultPlan): void => {
    this.later = [];
    const { context } = this;
    const { cost, availableBytes, numWindows, seconds } = plan;
    if (!cost) return;
    const work = JSON.stringify(cost.work);
    if (work === context.toldWork) return;
    context.toldWork = work;
    for (const line of planLines(context.task.id, cost, availableBytes)) say(line);
    if (numWindows === null) say('  again and again, until the input ends');
    else if (numWindows > 1) {
      say(`  ${numWindows} times, about ${formatDuration(seconds!)} in all`);
    }
  };

  readonly progress: NonNullable<Request['onProgress']> = (event) => this.line.update(event);

  /** The result is there. */
  end(): void {
    this.line.end();
    for (const sentence of this.later ?? []) say(sentence);
    this.later = [];
  }

  /** Leaves no half of a line. */
  stop(): void {
    this.line.end();
  }
}

/** Says how near a result comes to the one without short cuts, and what they saved. */
async function compareWithFull(
  { request, generation }: Begun,
  { made }: ResultSettings,
  { task, mfm }: Context,
): Promise<void> {
  const { clipPsnr } = await import('../../../eval/quality.js');
  const line = new PhaseProgress(task.id);
  const full = mfm.generate(task, {
    ...request,
    prompt: String(made?.prompt),
    rewritePrompt: undefined,
    cacheThreshold: undefined,
    guidanceRange: undefined,
    onNote: undefined,
    onPlan: undefined,
    onProgress: (event) => line.update(event),
  });
  try {
    const psnr = clipPsnr(await generation.toFrames(), await full.toFrames()).toFixed(1);
    line.end();
    const share = (100 * generation.figures.seconds) / full.figures.seconds;
    say(
      `against the full run: PSNR ${psnr} dB, in ${share.toFixed(0)}% of its ${full.figures.seconds.toFixed(1)} s`,
    );
  } finally {
    line.end();
  }
}

async function requestOf({ options, seed }: Job, { options: all }: Context): Promise<Request> {
  const mask = await maskSourceOf(options);
  const cropType = (all.cropType ?? 'keep_ratio') as 'keep_ratio';
  return {
    seed,
    prompt: options.prompt,
    addedPrompt: options.addedPrompt,
    negativePrompt: options.negativePrompt,
    inputs: options.input,
    mask: mask && 'file' in mask ? options.mask : mask,
    invertMask: options.invertMask,
    expand: options.expand,
    reference: options.reference,
    fit: options.fit,
    strict: options.strict,
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
    useTSchedule: all.useTSchedule,
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
