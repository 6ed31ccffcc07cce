/**
 * Finds solids in pixels: their colours, shapes and motions, from the pictures alone. Used to score
 * generated pictures against captions.
 */
import { colourPatches, type Patch, type Picture, type Pixels } from './segment.js';
import { classifyShape } from './shape-classifier.js';
import type { Colour, Motion, Shape } from './vocabulary.js';

/** A solid seen in one picture. */
export interface SeenSolid extends Omit<Patch, 'pixels'> {
  shape: Shape;
  /** margin of the shape's score (about 1 if certain) over the second best */
  shapeMargin: number;
  area: number;
}

/**
 * The solids of one picture [H, W, 3], largest first.
 *
 * @throws InputError if the pixels are not width x height x 3
 */
export function findSolids(pixels: Pixels, picture: Picture): SeenSolid[] {
  const { patches, rgb } = colourPatches(pixels, picture);
  return patches.map((patch) => {
    const { shape, margin } = classifyShape(patch, rgb, picture.width);
    const { pixels: inside, ...rest } = patch;
    return { ...rest, shape, shapeMargin: margin, area: inside.length };
  });
}

/** A solid tracked through a clip, in picture coordinates: camera motion is not compensated. */
export interface Track {
  colour: Colour;
  shape: Shape;
  /** from the path of its centre and its change of size; spin cannot be told from still */
  motion: Exclude<Motion, 'spin'>;
  /** from the first to the last frame that shows it, in units of the shorter side */
  dx: number;
  dy: number;
  /** last size divided by first size, as a ratio of lengths */
  growth: number;
}

/**
 * The solids of a clip [F, H, W, 3], one per colour, largest first. Each colour's largest patch in every
 * frame is taken to be the same solid; its shape is decided by a vote of the frames.
 */
export function trackSolids(
  pixels: Pixels,
  { width, height, numFrames }: Picture & { numFrames: number },
): Track[] {
  const size = width * height * 3;
  const seen = new Map<Colour, SeenSolid[]>();
  for (let f = 0; f < numFrames; f++) {
    const inFrame = new Set<Colour>();
    for (const blob of findSolids(pixels.subarray(f * size, (f + 1) * size), { width, height })) {
      if (!inFrame.has(blob.colour)) {
        inFrame.add(blob.colour);
        seen.set(blob.colour, [...(seen.get(blob.colour) ?? []), blob]);
      }
    }
  }
  const area = (blobs: SeenSolid[]) => blobs.reduce((sum, blob) => sum + blob.area, 0);
  return [...seen.values()]
    .filter((blobs) => blobs.length > numFrames / 3)
    .sort((a, b) => area(b) - area(a))
    .map((blobs) => trackOf(blobs, Math.min(width, height)));
}

function trackOf(blobs: SeenSolid[], scale: number): Track {
  const first = blobs[0];
  const last = blobs[blobs.length - 1];
  const dx = (last.x - first.x) / scale;
  const dy = (last.y - first.y) / scale;
  const growth = Math.sqrt(last.area / first.area);
  return { colour: first.colour, shape: majority(blobs), motion: name(), dx, dy, growth };

  function name(): Track['motion'] {
    // coming closer moves a solid down the picture too, but rising doesn't change its size
    if (Math.abs(dx) > 0.16) {
      return dx < 0 ? 'left' : 'right';
    }
    if (dy < -0.1 && growth > 0.85) {
      return 'up';
    }
    if (growth > 1.15 || growth < 1 / 1.15) {
      return growth > 1 ? 'toward' : 'away';
    }
    return 'still';
  }
}

function majority(blobs: SeenSolid[]): Shape {
  const votes = new Map<Shape, number>();
  for (const { shape, shapeMargin } of blobs) {
    votes.set(shape, (votes.get(shape) ?? 0) + shapeMargin);
  }
  return [...votes].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
}
