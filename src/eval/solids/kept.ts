/** Do solids keep their shapes through a clip? */
import { findSolids, type SeenSolid } from '../../data/miniworld/analyse.js';
import type { Scene } from '../../data/miniworld/index.js';
import { type Frames, sliceFrames } from '../../media/index.js';

/** The solids of one frame of a clip, largest first. */
export const solidsAt = (clip: Frames, frame: number): SeenSolid[] =>
  findSolids(sliceFrames(clip, frame, frame + 1).data, clip);

/**
 * Counts the scene's solids that the true clip's last frame shows with their colour and shape, and how many
 * of those the result's last frame shows, too; null if there are none, as where all have left the picture.
 */
export function shapesAtEnd(
  clip: Frames,
  truth: Frames,
  { objects }: Pick<Scene, 'objects'>,
): { kept: number; count: number } | null {
  const last = truth.numFrames - 1;
  const [seen, expected] = [solidsAt(clip, last), solidsAt(truth, last)];
  const shows = (solids: readonly SeenSolid[], { colour, shape }: Scene['objects'][number]) =>
    solids.some((solid) => solid.colour === colour && solid.shape === shape);
  const there = objects.filter((solid) => shows(expected, solid));
  if (there.length === 0) return null;
  return { kept: there.filter((solid) => shows(seen, solid)).length, count: there.length };
}
