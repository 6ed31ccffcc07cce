/** Does a result have the depth that was given? */

import { rankCorrelation } from '../../media/depth/rank-correlation.js';
import type { Frames } from '../../media/index.js';
import { conditionOf, type DepthEstimator, type Geometry, given } from '../../tasks/index.js';
import { tidy } from '../../tensor/index.js';

/**
 * Spearman's rank correlation, over all pixels of a clip, of the given depth with the depth that a model
 * estimates from the clip, -1..1; null if one of the two is constant. The given depth is laid out as the
 * condition has it, and estimated in the same way where frames were given instead of depth.
 */
export function depthCorrelation(
  clip: Frames,
  geometry: Geometry,
  estimateDepth: DepthEstimator,
): number | null {
  return tidy(() => {
    const { depth } = conditionOf(given({ geometry }), clip, estimateDepth); // [1, 1, F, H, W]
    return rankCorrelation(estimateDepth(clip).toFloat32Array(), depth.toFloat32Array());
  });
}
