/** Does a picture show the solids that its caption names? Counted by the analyser of MiniWorld. */
import type { Track } from '../data/miniworld/analyse.js';
import { isHeldOutPair, type Scene } from '../data/miniworld/index.js';

/** Every solid of a scene is named in its caption, by colour and shape, and no two share a colour. */
export interface NameCount {
  /** solids that the caption names */
  named: number;
  /** a solid of the colour is seen */
  colours: number;
  /** it has the named shape too; without the colour no shape counts */
  shapes: number;
  /** the same of colour and shape pairs that training never saw */
  unseenPairs: { named: number; shapes: number };
  /**
   * solids under a still camera, whose motion can be told from their place in the picture: named, and
   * seen in the colour doing the named motion (`spin` can't be told from `still`)
   */
  motions: { named: number; right: number };
  /** solids seen beyond those that count for a colour */
  extra: number;
}

type Seen = Pick<Track, 'colour' | 'shape'> & Partial<Pick<Track, 'motion'>>;

/**
 * Compares what is named with what is seen. Only as many solids count as are named, the largest:
 * colourful noise holds every colour somewhere.
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
