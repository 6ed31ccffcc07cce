/** Row 6: pipeline folders, and the way from prompt and condition to frames. */
export {
  depthFolderOf,
  type LoraUse,
  MODEL_INDEX,
  type OpenOptions,
  openPipeline,
  type PipelineParts,
  readSettings,
  runsOneAtATime,
  savePipeline,
} from './folder.js';
export {
  expectFrameCount,
  expectSize,
  fittingFrames,
  fromModelLatents,
  LATENTS_SCALE,
  latentFrames,
  toModelLatents,
} from './latents.js';
export { mappedPart, type PipelinePart, residentPart } from './part.js';
export { type EncodedPrompts, Pipeline, type SampleRequest } from './pipeline.js';
export { type OwnSettings, PipelineSettings, RELEASED_SETTINGS, settingsFor } from './settings.js';
