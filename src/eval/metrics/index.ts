/** Quality metrics of pictures and clips, with and without a reference. */
export { BEST_PSNR, clipPsnr } from '../quality.js';
export { clipColourDrift, holeColourDrift } from './colour-drift.js';
export { type Alignment, alignDepth, type DepthErrors, depthErrors } from './depth.js';
export {
  type DepthFrames,
  depthFlicker,
  depthFlickerByFlow,
  type FollowedPoints,
  followPoints,
} from './depth-flicker.js';
export { knownRegionError, seam } from './hole.js';
export { frameBetween, motionSmoothnessByFlow, temporalFlicker } from './motion.js';
export { rankCorrelation } from './rank-correlation.js';
export { ssim } from './ssim.js';
