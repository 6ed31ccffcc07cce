/** Quality metrics of pictures and clips, with and without a reference. */
export { BEST_PSNR, clipPsnr } from '../quality.js';
export { clipColourDrift, holeColourDrift } from './colour-drift.js';
export { knownRegionError, seam } from './hole.js';
export { frameBetween, motionSmoothnessByFlow, temporalFlicker } from './motion.js';
export { ssim } from './ssim.js';
