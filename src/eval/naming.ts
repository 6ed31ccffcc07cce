/** Counts how many of the solids named in a caption a picture shows, using MiniWorld's analyser. */
import type { Track } from '../data/miniworld/analyse.js';
import { isHeldOutPair, type Scene } from '../data/miniworld/index.js';

/**
 * Counts for one caption, which names every solid of a scene
 * by colour and shape; no two share a colour.
 */
export interface NameCount {
  /** solids that the caption names */
  named: number;
  /** of these, solids for which a solid of their colour is seen */
  colours: number;
  /** of these, solids whose shape is right too */
  shapes: number;
  /** the same for pairs of colour and shape that training never saw */
  unseenPairs: { named: number; shapes: number };
  /**
   * solids under a still camera, whose motion shows in their position: named, and seen in their
   * colour with the named motion (`spin` cannot be distinguished from `still`)
   */
  motions: { named: number; right: number };
  /** solids seen beyond those counted in `colours` */
  extra: number;
}

type Seen = Pick<Track, 'colour' | 'shape'> & Partial<Pick<Track, 'motion'>>;

/**
 * Compares the named solids with the seen ones. Only the largest seen solids count, as many as are named,
 * since colourful noise contains every colour somewhere.
 *
 * @param seen  largest first
 */
export function countNamed(scene: Scene, seen: readonly Seen[]): NameCount {
  const count: NameCount = {
    named: scene.objects.length,
    colours: 0,
    shapes: 0,
    unseenPairs: { named: 0, shapes: 0 },
    motions: { named: 0, right: 0 },
    extra: 0,
  };
  const largest = seen.slice(0, scene.objects.length);
  for (const { colour, shape, motion } of scene.objects) {
    const ofColour = largest.filter((solid) => solid.colour === colour);
    const match = ofColour.find((solid) => solid.shape === shape) ?? ofColour[0];
    const right = match?.shape === shape ? 1 : 0;
    count.colours += match ? 1 : 0;
    count.shapes += right;
    if (isHeldOutPair(colour, shape)) {
      count.unseenPairs.named += 1;
      count.unseenPairs.shapes += right;
    }
    if (scene.camera.motion === 'still') {
      count.motions.named += 1;
      count.motions.right += match?.motion === (motion === 'spin' ? 'still' : motion) ? 1 : 0;
    }
  }
  count.extra = seen.length - count.colours;
  return count;
}

export function addCounts(counts: readonly NameCount[]): NameCount {
  const sum = (of: (count: NameCount) => number) => counts.reduce((all, c) => all + of(c), 0);
  return {
    named: sum((c) => c.named),
    colours: sum((c) => c.colours),
    shapes: sum((c) => c.shapes),
    unseenPairs: {
      named: sum((c) => c.unseenPairs.named),
      shapes: sum((c) => c.unseenPairs.shapes),
    },
    motions: { named: sum((c) => c.motions.named), right: sum((c) => c.motions.right) },
    extra: sum((c) => c.extra),
  };
}
