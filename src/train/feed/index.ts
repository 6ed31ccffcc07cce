/** The feed of training: from sources to batches. */
export { tokensOf } from '../../models/latent-grid.js';
export type { Feed, FeedPosition, StepBatch, TrainSample } from './batch.js';
export {
  type BucketReport,
  type BucketRow,
  batchSizeOf,
  bucketReport,
  targetOf,
} from './buckets.js';
export { type DepthMaps, depthMaps } from './encode/depth-maps.js';
export { depthLines, someHaveDepth } from './encode/depth-origin.js';
export {
  type AheadOptions,
  type EncodeOptions,
  encodeAhead,
  estimateAhead,
  meanMotionScore,
  someFromModel,
} from './encode/encode-ahead.js';
export { hashOfWeights, type LatentEncoder, latentEncoder } from './encode/latents.js';
export { type FeedOptions, openFeed } from './feed.js';
export {
  type FrameBatch,
  type FrameFeed,
  type FrameFeedOptions,
  firstFrameBatch,
  openFrameFeed,
} from './frame-feed.js';
export { type MakerOptions, SampleMaker } from './maker.js';
export {
  apartFromHeldOut,
  type Datasets,
  LEAST_TO_MEASURE,
  missingDataset,
  type OpenedSource,
  type OpenedSources,
  openSources,
  type SourceItem,
  type SourceOptions,
  sourceOpener,
} from './sources.js';
export { type StageSet, stageSet, taskShares } from './stage-set.js';
export { expectSamples, stageLines, stageTallies } from './stage-tasks.js';
export { type ValidationOptions, validationBatches, withoutHeldOut } from './validation.js';
