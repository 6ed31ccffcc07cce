/**
 * What the server and its child processes say to one another. A call has one answer, and events before
 * it; an abort asks a call to end early.
 */
import type { GenerateOptions, ProgressEvent, ResultPlan, ResultTokens } from '../../index.js';
import type { ErrorBody } from '../schemas/error.js';
import type { TaskView } from '../schemas/model.js';

/** How a pipeline is opened. */
export interface OpenSpec {
  pipeline: string;
  device?: string;
  dtype?: 'auto' | 'float32' | 'bfloat16' | 'float16';
  depthModel?: string;
  loras: { path: string; scale: number }[];
}

/** The library's options without functions, with inputs as paths in the server's folder. */
export type PlainOptions = Omit<
  GenerateOptions,
  'signal' | 'onProgress' | 'onPreview' | 'onNote' | 'onPlan' | 'rewritePrompt'
>;

export interface Work {
  open: OpenSpec;
  task: string;
  options: PlainOptions;
}

/** A task as its declaration and the pipeline say. */
export interface TaskFacts {
  id: string;
  summary: string;
  result: 'image' | 'video';
  trained: boolean;
  inputs: TaskView['inputs'];
  optionalInputs: TaskView['optional_inputs'];
  placed: boolean;
  mask: 'none' | 'hole' | 'margins';
  followsInput: boolean;
  size: TaskView['size'];
  keeps: string;
  prompt: 'required' | 'optional';
  promptIs: 'caption' | 'instruction';
  defaults: {
    width: number;
    height: number;
    numFrames: number;
    fps: number;
    numInferenceSteps: number;
    guidanceScale: number;
    motionScore: number;
    addedPrompt: string;
    negativePrompt: string;
  };
}

export interface ModelFacts {
  /** absolute */
  folder: string;
  device: string;
  dtype: string;
  tasks: TaskFacts[];
  parts: { name: string; bytes: number }[];
}

export interface PlanFacts {
  plan: Omit<ResultPlan, 'cost'>;
  notes: string[];
  /** why it would be refused now, for lack of memory */
  refusal: ErrorBody | null;
}

export interface MadeFacts {
  width: number;
  height: number;
  numFrames: number;
  fps: number | null;
  bytes: number;
  /** has the file sound? */
  sound: boolean;
  settings: Record<string, unknown>;
  seconds: number;
  tokens: ResultTokens;
}

/** Facts about an uploaded file that can be used as an input. */
export interface ProbeFacts {
  kind: 'image' | 'video' | 'depth' | 'lora';
  width: number | null;
  height: number | null;
  numFrames: number | null;
  fps: number | null;
  alpha: boolean | null;
  /** has the file sound? */
  sound: boolean;
  notes: string[];
}

/** The calls, each with what it takes and what it answers. */
export interface Calls {
  /** the newest pipeline below the folder that the server was started in, and what to say about it */
  newest: { takes: { from: string }; answers: { folder: string; notes: string[] } };
  /** opens the pipeline, which stays open until another one is asked for */
  open: { takes: { open: OpenSpec }; answers: ModelFacts };
  plan: { takes: Work; answers: PlanFacts };
  make: {
    /** `allPreviews`: of every step, however fast they come */
    takes: Work & { path: string; fps?: number; quality?: number; allPreviews: boolean };
    answers: MadeFacts;
  };
  /** checks a file as `data check` does; messages call it `name` */
  probe: { takes: { path: string; name: string; maxPixels: number }; answers: ProbeFacts };
  /** of files and folders, those that are LoRAs by what their head says */
  loras: { takes: { paths: string[] }; answers: string[] };
  /** checks a recipe, but trains nothing */
  recipe: { takes: { recipe: Record<string, unknown>; run: string }; answers: null };
  /** writes one frame of a picture or clip as PNG; messages call that `name` */
  frame: { takes: { path: string; name: string; index: number; to: string }; answers: null };
  /** writes a mask that is white where the picture is transparent, or, opaque, the picture itself */
  mask: { takes: { path: string; name: string; to: string }; answers: null };
  /** writes a small WebP of evenly chosen frames */
  sheet: { takes: { path: string; sheet: Sheet; to: string }; answers: null };
}

/** A grid of frames: their places in the clip, and the size of one of them. */
export interface Sheet {
  columns: number;
  rows: number;
  indices: number[];
  width: number;
  height: number;
}

export type CallName = keyof Calls;

export type ToChild =
  | { type: 'call'; id: number; name: CallName; takes: unknown }
  | { type: 'abort'; id: number };

export type FromChild =
  /** the pipeline that is open from now on; null: none is */
  | { type: 'opened'; pipeline: string | null }
  | { type: 'answer'; id: number; value: unknown }
  | { type: 'failed'; id: number; error: ErrorBody }
  | { type: 'event'; id: number; event: MakingEvent };

/** A rough picture of a result amid its steps. */
export interface Preview {
  webp: Uint8Array;
  width: number;
  height: number;
  frames: number;
  step: number;
  steps: number;
}

/** What happens while a result is made. */
export type MakingEvent =
  | { type: 'opened' }
  | { type: 'progress'; progress: ProgressEvent }
  | { type: 'saving' }
  | { type: 'note'; text: string }
  | ({ type: 'preview' } & Preview);
