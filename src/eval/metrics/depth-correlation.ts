/** Does a result have the depth that was given? */
import { partialRankCorrelation, rankCorrelation } from '../../media/depth/rank-correlation.js';
import type { Frames } from '../../media/index.js';
import { conditionOf, type DepthEstimator, type Geometry, given } from '../../tasks/index.js';
import { tensor, tidy } from '../../tensor/index.js';

/**
 * Spearman's rank correlation, over all pixels of the frames that have given depth, of that depth with
 * the one that a model estimates from the clip, -1..1; null if one of the two is constant. The given
 * depth is laid out as the condition has it, and estimated in the same way where frames were given
 * instead of depth.
 */
export function depthCorrelation(
  clip: Frames,
  geometry: readonly Geometry[],
  estimateDepth: DepthEstimator,
): number | null {
  const { wanted, found } = mapsOf(clip, geometry, estimateDepth);
  return rankCorrelation(found, wanted);
}

/**
 * The same beyond what a pixel's row explains, by partial rank correlation. The lower part of most
 * pictures is nearer, and a depth model knows it: even of a gray picture it estimates depth that
 * correlates with the truth. The definition is ours.
 */
export function depthBeyondRows(
  clip: Frames,
  geometry: readonly Geometry[],
  estimateDepth: DepthEstimator,
): number | null {
  const { wanted, found } = mapsOf(clip, geometry, estimateDepth);
  const { width, height } = clip;
  const rows = wanted.map((_, i) => Math.floor(i / width) % height);
  return partialRankCorrelation(found, wanted, rows);
}

interface Maps {
  wanted: Float32Array;
  found: Float32Array;
}

/** Maps by clip, since two figures use them. */
const estimated = new WeakMap<Frames, Maps & { geometry: readonly Geometry[] }>();

/** The frames whose depth is given, [F', H, W] each. */
function mapsOf(clip: Frames, geometry: readonly Geometry[], estimateDepth: DepthEstimator): Maps {
  const known = estimated.get(clip);
  if (known?.geometry === geometry) return known;
  const places = tensor([...new Set(geometry.flatMap(({ at }) => at))], { dtype: 'int64' });
  const maps = tidy(() => {
    const rules = { estimate: estimateDepth };
    const { depth } = conditionOf(given({ geometry: [...geometry] }), clip, rules);
    return {
      geometry,
      wanted: depth.indexSelect(2, places).toFloat32Array(),
      found: estimateDepth(clip).indexSelect(0, places).toFloat32Array(),
    };
  });
  places.dispose();
  estimated.set(clip, maps);
  return maps;
}
