export {
  DEPTH_ANYTHING_PRESETS,
  DepthAnythingConfig,
  Dinov2Config,
  parseDepthAnythingConfig,
} from './config.js';
export { depthFlops } from './cost.js';
export { DepthAnything } from './depth-anything.js';
export type { DepthObserver } from './dinov2.js';
export { type DepthModel, estimateDepth, framesAtOnce, openDepthModel } from './estimate.js';
export { initialiseDepthAnything } from './initialise.js';
export {
  type DepthLossWeights,
  depthLoss,
  gradientLoss,
  meanDifference,
  normalisedDepth,
} from './losses.js';
export {
  DEPTH_ANYTHING_PROCESSOR,
  DepthProcessor,
  DepthProcessorConfig,
  depthAtSize,
  parseDepthProcessorConfig,
} from './processor.js';
export { saveDepthModel } from './save.js';
