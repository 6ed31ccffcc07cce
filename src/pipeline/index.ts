/** Row 6: pipeline folders, and generating frames from a prompt and a condition. */
export {
  expectFrameCount,
  expectSize,
  fittingFrames,
  latentFrames,
} from '../models/latent-grid.js';
export {
  depthFolderOf,
  type LoraUse,
  MODEL_INDEX,
  type OpenOptions,
  openPipeline,
  type PipelineParts,
  readScheduler,
  readSettings,
  runsOneAtATime,
  savePipeline,
} from './folder.js';
export { fromModelLatents, LATENTS_SCALE, toModelLatents } from './latents.js';
export { mappedPart, type PipelinePart, residentPart } from './part.js';
export { type EncodedPrompts, Pipeline, type SampleRequest } from './pipeline.js';
export { type OwnSettings, PipelineSettings, RELEASED_SETTINGS, settingsFor } from './settings.js';
