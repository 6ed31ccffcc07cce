/** One result of `mfm generate`: shows its cost, generates it, and writes it with its settings. */

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
import { parseDepth, parseKnown } from './placed-options.js';
import type { rewriter } from './rewrite.js';

/** What all jobs of a command have in common. */
export interface Context {
  task: Task;
  mfm: Mfm;
  rewrite: ReturnType<typeof rewriter> | null;
  options: GenerateOptions;
  signal: AbortSignal;
  /** the work whose cost was shown last, so that the cost of similar results is not shown again */
  toldWork: string;
}

const say = (line: string) => process.stderr.write(`${withOptions(line)}\n`);

/** A result before it is generated, and its output on stderr. */
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
      '--compare-full: compares a shortcut with the full run; add --cache, --guidance-from or --guidance-until',
    );
  }
  if (rewrite) {
    request.rewritePrompt = async (wish) => {
      const shown = task.inputs[0] === 'depth' ? undefined : job.options.input[0];
      const prompt = await rewrite({ task, prompt: wish, input: shown });
      say(`prompt: ${prompt}`);
      return prompt;
    };
  }
  const generation = mfm.generate(task, request);
  const { fps, rewriteModel } = options;
  return { job, request, generation, talk, saving: { fps, settings: { rewriteModel } } };
}

/** Generates and saves the result. @returns its settings, which are in the file too */
export async function make(begun: Begun, context: Context): Promise<ResultSettings> {
  const { job, generation, saving, talk } = begun;
  const { task, mfm, options } = context;
  try {
    const { path, settings, ...size } = await generation.save(job.output, saving);
    talk.end();
    const { reusedSteps } = generation.figures;
    if (reusedSteps > 0) say(`${reusedSteps} steps were reused (--cache)`);
    if (options.compareFull) await compareWithFull(begun, settings, context);
    say(`${task.id} ${sizeInWords(size)}, seed ${job.seed}, ${mfm.folder}`);
    process.stdout.write(`${path}\n`);
    return settings;
  } finally {
    talk.stop();
  }
}

/** Output about a result on stderr; notes that come while it is generated are shown at its end. */
class Talk {
  private readonly line: PhaseProgress;
  /** notes that come while a progress line is shown; null: no progress is shown yet */
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
    const work = JSON.stringify(cost.work);
    if (work === context.toldWork) return;
    context.toldWork = work;
    for (const line of planLines(context.task.id, cost, availableBytes)) say(line);
    if (numWindows === null) say('  repeated until the input ends');
    else if (numWindows > 1) {
      say(`  ${numWindows} times, about ${formatDuration(seconds!)} in all`);
    }
  };

  readonly progress: NonNullable<Request['onProgress']> = (event) => this.line.update(event);

  /** Ends the progress line and shows the notes, once the result is saved. */
  end(): void {
    this.line.end();
    for (const sentence of this.later ?? []) say(sentence);
    this.later = [];
  }

  /** Clears the progress line. */
  stop(): void {
    this.line.end();
  }
}

/** Reports how close a result is to the one without shortcuts, and the time that they saved. */
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

async function requestOf(
  { options, seed }: Job,
  { task, options: all }: Context,
): Promise<Request> {
  const mask = await maskSourceOf(options);
  const depth = task.placed ? options.depth.map((text) => parseDepth(text)) : options.depth;
  const cropType = (all.cropType ?? 'keep_ratio') as 'keep_ratio';
  return {
    seed,
    prompt: options.prompt,
    addedPrompt: options.addedPrompt,
    negativePrompt: options.negativePrompt,
    inputs: options.input,
    known: options.known.length > 0 ? options.known.map((text) => parseKnown(text)) : undefined,
    mask: mask && 'file' in mask ? options.mask : mask,
    invertMask: options.invertMask,
    expand: options.expand,
    reference: options.reference,
    fit: options.fit,
    strict: options.strict,
    keepKnown: options.keepKnown,
    window: options.window,
    tile: options.tiles === false ? null : options.tile,
    depth: options.depth.length > 0 ? depth : undefined,
    depthIs: options.depthIs,
    depthFrom: options.depthFrom,
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
    `--guidance-from: must be above --guidance-until, as noise falls from 1 to 0, got ${from} and ${until}`,
  );
}
