/** Row 7: how good results are, the package's `mfm/eval`: measures of clips, fills to compare with, reports. */

export { type EfficientNetFeatures, openEfficientNet } from '../models/efficientnet/index.js';
export {
  BASELINES,
  type Baseline,
  baselineClips,
  crossFade,
  meanFill,
  nearestFrameFill,
  repeatFirstFrame,
} from './baselines.js';
export { chromaPsnr } from './chroma.js';
export {
  type Compared,
  contestants,
  type Evaluated,
  type EvaluateOptions,
  evaluateTask,
  type TaskReport,
  type Value,
  type Values,
} from './evaluate.js';
export { FIGURES, type Figure, type FigureId, figureOf, type Subject } from './figures.js';
export { harmonicFill } from './harmonic.js';
export {
  type Alignment,
  alignDepth,
  BEST_PSNR,
  clipColourDrift,
  clipPsnr,
  type DepthErrors,
  type DepthFrames,
  depthBeyondRows,
  depthCorrelation,
  depthErrors,
  depthFlicker,
  depthFlickerByFlow,
  type FollowedPoints,
  featureDistance,
  followPoints,
  frameBetween,
  holeColourDrift,
  kernelDistance,
  knownRegionError,
  motionSmoothnessByFlow,
  partialRankCorrelation,
  rankCorrelation,
  seam,
  ssim,
  temporalFlicker,
} from './metrics/index.js';
export type { Published, Report, ReportSettings } from './report-format.js';
export { heldOutTrials } from './scenes.js';
export {
  type Maker,
  pipelineMaker,
  type SampleOptions,
  type Trial,
  type Trials,
} from './trials.js';
