export * from './config.js';
export { PatchEmbed, patchify } from './embeddings.js';
export {
  type InitialiseOptions,
  initialiseForTraining,
  initialisePatches,
} from './initialise.js';
export { ropeEmbedding, ropeTable, type TokenGrid } from './rope.js';
export type { TokenRoute } from './routing.js';
export type { Sequence, TokenParts } from './sequence.js';
export { StepCache } from './step-cache.js';
export {
  type ForwardInputs,
  type PreparedText,
  type Probe,
  type RawInputs,
  Transformer3D,
  type WrapBlock,
} from './transformer.js';
