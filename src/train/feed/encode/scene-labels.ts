/**
 * What is known exactly of a scene of MiniWorld, for each token: which solids it shows, and how far
 * away that is. Imports nothing of LibTorch, as threads load it.
 */
import type { Rendered } from '../../../data/miniworld/index.js';
import { TOKEN, tokensOf } from '../../../models/latent-grid.js';
import type { Target } from '../../../tasks/index.js';
import { SCENE_CHANNELS } from '../../recipe/levers-config.js';

/** Solids with a share of their own, in the order of the scene's objects; further ones join the last. */
const SOLIDS = SCENE_CHANNELS - 2;
/** Distance in world units whose nearness is 1: about that of the solids. */
const NEAR = 6;

/**
 * [L, C] for the tokens of a clip, ordered frame, row, column: the shares of the background and of
 * each solid among the token's pixels, and the mean of NEAR / distance.
 */
export function sceneLabels({ masks, depth }: Rendered, target: Target): Float32Array<ArrayBuffer> {
  const { width, height, numFrames } = target;
  const [columns, rows] = [width / TOKEN, height / TOKEN];
  const labels = new Float32Array(tokensOf(target) * SCENE_CHANNELS);
  let pixel = 0;
  for (let frame = 0; frame < numFrames; frame++) {
    // the first frame is a latent frame by itself
    const latentFrame = Math.ceil(frame / 4);
    const share = 1 / (TOKEN ** 2 * (frame === 0 ? 1 : 4));
    for (let y = 0; y < height; y++) {
      const row = (latentFrame * rows + Math.floor(y / TOKEN)) * columns;
      for (let x = 0; x < width; x++, pixel++) {
        const at = (row + Math.floor(x / TOKEN)) * SCENE_CHANNELS;
        labels[at + Math.min(SOLIDS, masks[pixel]!)]! += share;
        labels[at + SOLIDS + 1]! += (share * NEAR) / depth[pixel]!;
      }
    }
  }
  return labels;
}
