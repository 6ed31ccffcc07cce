/** Quality metrics of pictures and clips, with and without a reference. */
export {
  type Alignment,
  alignDepth,
  type DepthErrors,
  depthErrors,
} from '../../media/depth/depth-errors.js';
export { partialRankCorrelation, rankCorrelation } from '../../media/depth/rank-correlation.js';
export { BEST_PSNR, clipPsnr } from '../quality.js';
export { clipColourDrift, holeColourDrift } from './colour-drift.js';
export { depthBeyondRows, depthCorrelation } from './depth-correlation.js';
export {
  type DepthFrames,
  depthFlicker,
  depthFlickerByFlow,
  type FollowedPoints,
  followPoints,
} from './depth-flicker.js';
export { featureDistance } from './feature-distance.js';
export { knownRegionError, seam } from './hole.js';
export { kernelDistance, type SetDistance } from './kernel-distance.js';
export { frameBetween, motionSmoothnessByFlow, temporalFlicker } from './motion.js';
export { ssim } from './ssim.js';
