/**
 * mfm as a library: opens pipelines and generates with them. docs/library.md explains it with
 * examples. It writes nothing to the terminal, ends no process and handles no operating system
 * signals.
 */

export {
  AbortError,
  ConsumedError,
  DisposedError,
  type Fit,
  InputError,
  JobError,
  MemoryError,
  MfmError,
} from './errors.js';
export {
  type DepthFrame,
  type DepthOptions,
  type DepthProgress,
  OpenDepth,
  openDepth,
  type SaveDepthOptions,
  type SavedDepth,
} from './library/depth.js';
export {
  type GeneratedFrame,
  type GeneratedFrames,
  Generation,
  type ResultFigures,
  type SavedResult,
  type SaveOptions,
} from './library/generation.js';
export type { MediaInput, RawFrames } from './library/media-input.js';
export { Mfm } from './library/mfm.js';
export { type OpenDType, type OpenOptions, open } from './library/open.js';
export type {
  CommonOptions,
  DepthInput,
  GenerateOptions,
  KnownInput,
  MaskInput,
  PreviewEvent,
  ProgressEvent,
  RequestFor,
  ResultPlan,
  TaskInputs,
} from './library/request.js';
export type { AskedSettings, ResultSettings } from './library/settings.js';
export type { Box, Colour, DepthMeaning, FitWay, Frames, Length, Size } from './media/index.js';
export type { PhasePlan, Plan } from './pipeline/cost/plan.js';
export type { ResultTokens } from './pipeline/generate/result-work.js';
export type { Phase } from './pipeline/progress.js';
export type { OwnSettings } from './pipeline/settings.js';
export type { Seed } from './seed.js';
export { TASK_IDS, TASKS, type Task, type TaskId } from './tasks/index.js';
