/** What is asked of a pipeline, typed by the task. */
import type { SolverName } from '../diffusion/index.js';
import type { Box, Colour, FitWay, Size } from '../media/index.js';
import type { Plan } from '../pipeline/cost/plan.js';
import type { CropType } from '../pipeline/generate/request.js';
import type { Phase } from '../pipeline/progress.js';
import type { Seed } from '../seed.js';
import type { TASKS, Task, TaskId } from '../tasks/index.js';
import type { MediaInput } from './media-input.js';

/**
 * Where something is to be made: a picture or clip that is white there, a box in pixels or percent,
 * the pixels that have a colour (`tolerance`: how far a channel may be from it, of 255; default 40),
 * or those that are transparent.
 *
 * ```ts
 * const mask: MaskInput = { box: { x: '25%', y: '25%', width: '50%', height: '50%' } };
 * ```
 */
export type MaskInput =
  | MediaInput
  | { box: Box }
  | { colour: Colour; tolerance?: number }
  | { alpha: true };

/**
 * How far a result is.
 *
 * ```ts
 * const onProgress = ({ phase, step, steps, etaMs }: ProgressEvent) =>
 *   report(`${phase} ${step}/${steps}`, etaMs);
 * ```
 */
export interface ProgressEvent {
  /** text, condition, steps and frames follow one another, in every window */
  phase: Phase;
  /** parts of the phase that are done: sampling steps, tiles */
  step: number;
  steps: number;
  /** the window that is made, from 0 on */
  window: number;
  /** null: the end of the input decides */
  windows: number | null;
  /** milliseconds until the result is done, as far as they can be known; null: not yet */
  etaMs: number | null;
}

/**
 * What a result will be and what it costs, known when the input is read.
 *
 * ```ts
 * const { width, height, numFrames, seconds, fits } = await mfm.plan('t2v', { prompt: 'a red cube' });
 * ```
 */
export interface ResultPlan extends Size {
  /** null: the end of the input decides */
  numFrames: number | null;
  /** frames a second; null for a picture */
  fps: number | null;
  /** a long result is made in windows; null: the end of the input decides */
  numWindows: number | null;
  /** of the process, at the worst moment; null where it is not known, as on a GPU */
  peakBytes: number | null;
  /** that the process can still take without swapping */
  availableBytes: number;
  /** is there memory for it? null: not known */
  fits: boolean | null;
  /** estimated, of the whole result; null: not known */
  seconds: number | null;
  /** of one window, phase by phase; null where it is not known */
  cost: Plan | null;
}

/** Options that every task takes. */
export interface CommonOptions {
  /** words added to the prompt; default: the pipeline's */
  addedPrompt?: string;
  /** what not to show; default: the pipeline's */
  negativePrompt?: string;
  /** a whole number from 0 on, up to 64 bits: the same one gives the same result; default: a new one */
  seed?: Seed;
  /** size of the result; default: the input's, or the pipeline's. Made in multiples of 16 */
  size?: Size;
  /** how an input of another shape than the result is fitted; default: crop */
  fit?: FitWay;
  /** refuses instead of fitting sizes, shapes, lengths or rates */
  strict?: boolean;
  /** puts back what the input shows: known pixels, brightness, the coarse picture; default: true */
  keepKnown?: boolean;
  /** sampling steps; default: the pipeline's */
  numInferenceSteps?: number;
  /** 1 or less is no guidance, and half the work; default: the pipeline's */
  guidanceScale?: number;
  /** noise levels from the first to the second at which steps have guidance; default: [1, 0], all */
  guidanceRange?: readonly [number, number];
  /** how much moves; default: the pipeline's */
  motionScore?: number;
  /** how steps are taken; `dpm++` and `unipc` need about half as many; default: euler */
  solver?: SolverName;
  /** more steps at high noise, as the reference implementation has it under this name */
  useTSchedule?: boolean;
  /**
   * uses a step again while its first block changes less than this, as a part of it, 0..1; 0.1 saves
   * about a third of the steps, 0.2 half; default: 0, none
   */
  cacheThreshold?: number;
  /** noise added to the input, 0..1, so that the result keeps less closely to it; default: 0 */
  noiseAugStrength?: number;
  /** depth of each input, white = near, in place of what a depth model tells */
  depth?: MediaInput | readonly MediaInput[];
  /** lays inputs out as the reference implementation does */
  compat?: { cropType: CropType };
  /** begins even if there seems to be too little memory */
  checkMemory?: boolean;
  /**
   * keeps all frames in memory, so that `frames`, `toFrames` and `save` can be used one after the
   * other; false: whichever comes first has them, as it suits long results; default: true
   */
  keepFrames?: boolean;
  /** ends the work within a step: whoever waits for it gets an `AbortError` */
  signal?: AbortSignal;
  onProgress?: (event: ProgressEvent) => void;
  /** is given what was fitted, cut off or found in files, a sentence each */
  onNote?: (sentence: string) => void;
  /** is given the cost, before anything is made */
  onPlan?: (plan: ResultPlan) => void;
  /** gives other words for the prompt, e.g. a language model's; called once */
  rewritePrompt?: (prompt: string) => Promise<string>;
}

/**
 * All options there are: for tasks of your own, and for tasks that are known at run time alone.
 * Which of them a task takes is checked when the result is made.
 *
 * ```ts
 * const request: GenerateOptions = { prompt: 'a red cube', inputs: files };
 * mfm.generate(process.argv[2]!, request);
 * ```
 */
export interface GenerateOptions extends CommonOptions {
  prompt?: string;
  /** the same as `inputs` with one of them */
  input?: MediaInput;
  inputs?: readonly MediaInput[];
  mask?: MaskInput;
  invertMask?: boolean;
  expand?: string;
  reference?: MediaInput;
  numFrames?: number;
  window?: number;
  upscale?: number;
  tile?: Size | null;
}

type Flat<T> = { [K in keyof T]: T[K] };

type PromptOf<T extends Task> = T['inputs'] extends readonly []
  ? { /** what to show */ prompt: string }
  : T['prompt'] extends 'instruction'
    ? { /** what to change */ prompt: string }
    : { /** what to show */ prompt?: string };

type OneInput =
  | { /** what the task begins with */ input: MediaInput; inputs?: never }
  | { input?: never; inputs: readonly [MediaInput] };
type TwoInputs = { input?: never; inputs: readonly [MediaInput, MediaInput] };

type InputsOf<T extends Task> = T['inputs'] extends readonly []
  ? { input?: never; inputs?: readonly [] }
  : T['inputs'] extends readonly [unknown]
    ? T['optionalInputs'] extends readonly []
      ? OneInput
      : OneInput | TwoInputs
    : TwoInputs;

type MaskOf<T extends Task> = T['mask'] extends 'hole'
  ? { /** where something is to be made */ mask: MaskInput; invertMask?: boolean; expand?: never }
  : T['mask'] extends 'margins'
    ?
        | { mask: MaskInput; invertMask?: boolean; expand?: never }
        | {
            /** how far the picture is to grow: 0.25, left=64,top=0.25 */ expand: string;
            mask?: never;
          }
    : { mask?: never; expand?: never };

type LengthOf<T extends Task> = T['result'] extends 'video'
  ? {
      /** frames of the result, as many as you like; default: the input's, or the pipeline's */
      numFrames?: number;
      /** frames that are made at once, 4k + 1; default: as the pipeline was trained */
      window?: number;
    }
  : unknown;

type DetailsOf<T extends Task> = (T['keeps'] extends 'brightness'
  ? { /** a picture whose palette the result gets */ reference?: MediaInput }
  : unknown) &
  (T['size'] extends 'larger'
    ? {
        /** how many times larger the result is; default: 2 */
        upscale?: number;
        /** what is made at once of a large result; null: all of it; default: as trained */
        tile?: Size | null;
      }
    : unknown);

type Declared = typeof TASKS;

type RequestOf<Id extends TaskId> = CommonOptions &
  PromptOf<Declared[Id]> &
  InputsOf<Declared[Id]> &
  MaskOf<Declared[Id]> &
  LengthOf<Declared[Id]> &
  DetailsOf<Declared[Id]>;

/**
 * The options of each task, by its name: what it cannot do without is required, what it has no use
 * for is left out.
 *
 * ```ts
 * const request: TaskInputs['vinp'] = { input: 'clip.mp4', mask: 'hole.png' };
 * ```
 */
export type TaskInputs = { [Id in TaskId]: Flat<RequestOf<Id>> };

/** The options of a task that is named, or declared: `RequestFor<'vinp'>`. */
export type RequestFor<T extends string | Task> = T extends TaskId
  ? TaskInputs[T]
  : T extends { id: infer I extends TaskId }
    ? TaskInputs[I]
    : GenerateOptions;
