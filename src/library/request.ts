/** A request's options, typed by task. */
import type { SolverName } from '../diffusion/index.js';
import type { Box, Colour, DepthMeaning, FitWay, Frames, Size } from '../media/index.js';
import type { Plan } from '../pipeline/cost/plan.js';
import type { DepthPart, KnownPart, Place } from '../pipeline/generate/placed.js';
import type { CropType } from '../pipeline/generate/request.js';
import type { ResultTokens } from '../pipeline/generate/result-work.js';
import type { Phase } from '../pipeline/progress.js';
import type { Seed } from '../seed.js';
import type { TASKS, Task, TaskId } from '../tasks/index.js';
import type { MediaInput } from './media-input.js';

/**
 * The part to generate: a picture or clip that is white there, a box in pixels or percent, the pixels
 * of a colour (`tolerance`: how far each channel may differ, up to 254; default 40), or the
 * transparent pixels.
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
 * A place on the time line of a mixture (the task `any`): a frame, counted from 0, or from the end with
 * -1 for the last; or the first and the last frame of a run.
 *
 * ```ts
 * const places: TimePlace[] = [0, -1, [24, 40]];
 * ```
 */
export type TimePlace = Place;

/**
 * A picture or a clip that is known in a mixture: where, in which part (`mask`: white is generated, gray
 * keeps a share), how much of it (`keep`, up to 1), whether in gray only, and the depth of its frames.
 *
 * ```ts
 * const parts: KnownInput[] = [{ media: 'a.png', at: 0 }, { media: 'b.mp4', at: [24, 40], gray: true }];
 * ```
 */
export type KnownInput = KnownPart<MediaInput>;

/**
 * Depth of frames of a mixture, white = near, whether or not their pixels are known.
 *
 * ```ts
 * const depth: DepthInput[] = [{ media: 'depth.mp4', at: [0, 80] }];
 * ```
 */
export type DepthInput = DepthPart<MediaInput>;

/**
 * The progress of a result.
 *
 * ```ts
 * const onProgress = ({ phase, step, steps, etaMs }: ProgressEvent) =>
 *   report(`${phase} ${step}/${steps}`, etaMs);
 * ```
 */
export interface ProgressEvent {
  /** text, condition, steps and frames, in this order, in every window */
  phase: Phase;
  /** parts of the phase that are done, of `steps`: sampling steps, tiles */
  step: number;
  steps: number;
  /** the current window, counted from 0 */
  window: number;
  /** number of windows; null: the end of the input decides */
  windows: number | null;
  /** estimated milliseconds until the result is done; null: not known yet */
  etaMs: number | null;
}

/**
 * A rough picture of a result while it is denoised, without the decoder: a pixel of it is a latent
 * pixel (8 × 8 pixels of the result), and a frame of it a latent frame.
 *
 * ```ts
 * const onPreview = ({ frames, step, steps }: PreviewEvent) => show(frames, `${step}/${steps}`);
 * ```
 */
export interface PreviewEvent {
  /** [F, H, W, 3]: red, green, blue from 0 to 255 */
  frames: Frames;
  /** sampling steps that are done, of `steps` */
  step: number;
  steps: number;
  /** the current window, counted from 0 */
  window: number;
}

/**
 * A result's size and its estimated cost, known once the input has been read.
 *
 * ```ts
 * const { width, height, numFrames, seconds, fits } = await mfm.plan('t2v', { prompt: 'a red cube' });
 * ```
 */
export interface ResultPlan extends Size {
  /** null: the end of the input decides */
  numFrames: number | null;
  /** frames per second; null for a picture */
  fps: number | null;
  /** number of windows that a long result is generated in; null: the end of the input decides */
  numWindows: number | null;
  /** peak memory of the process or, on a GPU with memory of its own, of that */
  peakBytes: number;
  /** memory of either that can still be taken, without swapping */
  availableBytes: number;
  /** is there enough memory? */
  fits: boolean;
  /** tokens of one window */
  tokens: ResultTokens;
  /** estimated time for the whole result; null: the end of the input decides */
  seconds: number | null;
  /** cost of one window, phase by phase */
  cost: Plan;
}

/** Options that every task takes. */
export interface CommonOptions {
  /** words added to the prompt; default: the pipeline's */
  addedPrompt?: string;
  /** what the result should not show; default: the pipeline's */
  negativePrompt?: string;
  /** an integer from 0, up to 64 bits; the same seed gives the same result; default: a random one */
  seed?: Seed;
  /** size of the result, generated in multiples of 16; default: the input's, or the pipeline's */
  size?: Size;
  /** how an input of another shape than the result is fitted; default: crop */
  fit?: FitWay;
  /** fail instead of fitting sizes, shapes, lengths or rates */
  strict?: boolean;
  /** put the input's known pixels, brightness or coarse picture back into the result; default: true */
  keepKnown?: boolean;
  /** sampling steps; default: the pipeline's */
  numInferenceSteps?: number;
  /** 1 or less means no guidance, which halves the work; default: the pipeline's */
  guidanceScale?: number;
  /** apply guidance at noise levels from the first down to the second; default: [1, 0], all steps */
  guidanceRange?: readonly [number, number];
  /** how much the clip moves; default: the pipeline's */
  motionScore?: number;
  /** the solver; `dpm++` and `unipc` need about half as many steps; default: euler */
  solver?: SolverName;
  /** use more steps at high noise, like the reference implementation's option of this name */
  useTSchedule?: boolean;
  /**
   * reuse the last full step while the first block's residual changes by less than this fraction, 0..1;
   * 0.1 saves about a third of the steps, 0.2 half; default: 0, compute every step
   */
  cacheThreshold?: number;
  /** noise added to the input, 0..1, so that the result follows it less closely; default: 0 */
  noiseAugStrength?: number;
  /**
   * what the values of depth files mean: `near`, larger is nearer (the default); `far`, larger is farther;
   * `distance`, distances, with 0 where nothing was measured
   */
  depthIs?: DepthMeaning;
  /** lay inputs out as the reference implementation does */
  compat?: { cropType: CropType };
  /** false: begin even if there seems to be too little memory; default: true */
  checkMemory?: boolean;
  /**
   * keep all frames in memory, so that `frames`, `toFrames` and `save` can be used one after the
   * other; false: only the first of them gets the frames, which suits long results; default: true
   */
  keepFrames?: boolean;
  /** stops the work after the current step; pending calls throw an `AbortError` */
  signal?: AbortSignal;
  onProgress?: (event: ProgressEvent) => void;
  /** receives a rough picture after each sampling step */
  onPreview?: (event: PreviewEvent) => void;
  /** the least time from the beginning to the first preview, and from one to the next; default: 0 */
  previewSeconds?: number;
  /** receives a sentence for everything that was fitted, cut off or found in files */
  onNote?: (sentence: string) => void;
  /** receives the plan before anything is generated */
  onPlan?: (plan: ResultPlan) => void;
  /** rewrites the prompt, e.g. with a language model; called once */
  rewritePrompt?: (prompt: string) => Promise<string>;
}

/**
 * All options, for tasks of your own and for tasks that are known only at run time. Which of them a
 * task takes is checked when the result is generated.
 *
 * ```ts
 * const request: GenerateOptions = { prompt: 'a red cube', inputs: files };
 * mfm.generate(process.argv[2]!, request);
 * ```
 */
export interface GenerateOptions extends CommonOptions {
  prompt?: string;
  /** short for `inputs` with a single input */
  input?: MediaInput;
  inputs?: readonly MediaInput[];
  mask?: MaskInput;
  invertMask?: boolean;
  expand?: string;
  reference?: MediaInput;
  depthFrom?: MediaInput;
  known?: readonly KnownInput[];
  depth?: AnyDepth | readonly AnyDepth[];
  numFrames?: number;
  window?: number;
  upscale?: number;
  tile?: Size | null;
}

/** Depth with or without a place. */
export type AnyDepth = MediaInput | DepthInput;

type Flat<T> = { [K in keyof T]: T[K] };

type PromptOf<T extends Task> = T['placed'] extends true
  ? { /** what to show */ prompt?: string }
  : T['inputs'] extends readonly []
    ? { /** what to show */ prompt: string }
    : T['prompt'] extends 'instruction'
      ? { /** what to change */ prompt: string }
      : { /** what to show */ prompt?: string };

type OneInput =
  | { /** the task's input */ input: MediaInput; inputs?: never }
  | { input?: never; inputs: readonly [MediaInput] };
type TwoInputs = { input?: never; inputs: readonly [MediaInput, MediaInput] };

/** Depth as it is, or estimated; the optional input is the first frame. */
type DepthOrFrom =
  | ((OneInput | TwoInputs) & { depthFrom?: never })
  | {
      /** a clip or picture whose depth is estimated */ depthFrom: MediaInput;
      input?: MediaInput;
      inputs?: never;
    };

/** At least one known part, or depth. */
type PartsOf<T extends Task> = T['placed'] extends true
  ?
      | {
          /** what is known, and where */
          known: readonly [KnownInput, ...KnownInput[]];
          /** depth of the frames at a place; without one, of all frames */
          depth?: AnyDepth | readonly AnyDepth[];
        }
      | { known?: readonly []; depth: AnyDepth | readonly [AnyDepth, ...AnyDepth[]] }
  : {
      known?: never;
      /** depth of each input, white = near, instead of a depth model's estimate */
      depth?: MediaInput | readonly MediaInput[];
    };

type InputsOf<T extends Task> = T['inputs'] extends readonly []
  ? { input?: never; inputs?: readonly [] }
  : T['inputs'] extends readonly ['depth']
    ? DepthOrFrom
    : T['inputs'] extends readonly [unknown]
      ? T['optionalInputs'] extends readonly []
        ? OneInput
        : OneInput | TwoInputs
      : TwoInputs;

type MaskOf<T extends Task> = T['mask'] extends 'hole'
  ? { /** the part to generate */ mask: MaskInput; invertMask?: boolean; expand?: never }
  : T['mask'] extends 'margins'
    ?
        | { mask: MaskInput; invertMask?: boolean; expand?: never }
        | {
            /** how far to extend the picture: 0.25, left=64,top=0.25 */ expand: string;
            mask?: never;
          }
    : { mask?: never; expand?: never };

type LengthOf<T extends Task> = T['result'] extends 'video'
  ? {
      /** frames of the result, any number; default: the input's, or the pipeline's */
      numFrames?: number;
      /** frames per window, 4k + 1; default: as the pipeline was trained */
      window?: number;
    }
  : unknown;

type DetailsOf<T extends Task> = (T['keeps'] extends 'brightness'
  ? { /** a picture whose palette the result takes */ reference?: MediaInput }
  : unknown) &
  (T['size'] extends 'larger'
    ? {
        /** factor by which the input is enlarged; default: 2 */
        upscale?: number;
        /** tile size for a large result; null: no tiles; default: the size the pipeline was trained on */
        tile?: Size | null;
      }
    : unknown);

type Declared = typeof TASKS;

type RequestOf<Id extends TaskId> = CommonOptions &
  PromptOf<Declared[Id]> &
  InputsOf<Declared[Id]> &
  PartsOf<Declared[Id]> &
  MaskOf<Declared[Id]> &
  LengthOf<Declared[Id]> &
  DetailsOf<Declared[Id]>;

/**
 * The options of each task, by its name: those it needs are required, and those it cannot use do not
 * exist.
 *
 * ```ts
 * const request: TaskInputs['vinp'] = { input: 'clip.mp4', mask: 'hole.png' };
 * ```
 */
export type TaskInputs = { [Id in TaskId]: Flat<RequestOf<Id>> };

/** The options of a task, given by name or declaration: `RequestFor<'vinp'>`. */
export type RequestFor<T extends string | Task> = T extends TaskId
  ? TaskInputs[T]
  : T extends { id: infer I extends TaskId }
    ? TaskInputs[I]
    : GenerateOptions;
