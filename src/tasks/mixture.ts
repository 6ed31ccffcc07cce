/**
 * Mixtures of conditions: which frames are known, how much of each of them, and which have depth. The
 * named tasks are points among them; see docs/tasks.md.
 */
import { drawWeighted, type RandomStream } from '../data/random.js';
import type { Sample } from '../data/sources/sample.js';
import type { DepthMap, Frames, Size } from '../media/index.js';
import { type Hole, resizeHole } from '../media/mask/resize-mask.js';
import { type ConditionInputs, type Geometry, given, type Known } from './condition-inputs.js';
import { degrade, drawBorder, drawHole } from './degrade.js';
import { DEFAULT_MIXTURE, type Mixture } from './mixture-config.js';
import { depthAt, framesAt } from './pick.js';

/** Draws a mixture of what is known of a sample. */
export function drawMixture(
  { clip, depth }: Pick<Sample, 'clip' | 'depth'>,
  random: RandomStream,
  mixture: Mixture = DEFAULT_MIXTURE,
): ConditionInputs {
  const parts = drawPlaces(clip.numFrames, depth !== null, random, mixture);
  const { none: _, known: __, ...shapes } = mixture.depth;
  const kinds = parts.length > 0 ? mixture.depth : shapes;
  const kind = depth ? drawKind<keyof Mixture['depth']>(random, kinds) : 'none';
  // depth of all frames includes that of the known ones
  const ofKnown = kind === 'known' || kind === 'some' ? depth : null;
  const known = parts.map((places) => drawPart(clip, places, ofKnown, random, mixture));
  const at = kind === 'all' ? everyPlace(clip.numFrames) : [];
  if (kind === 'some') at.push(...drawOthers(clip.numFrames, parts.flat(), random));
  return given({ known, geometry: at.length > 0 ? [geometryAt(depth!, at)] : [] });
}

/** The depth of whole frames, whether or not their pixels are known. */
export const geometryAt = (depth: DepthMap, at: number[]): Geometry => ({
  frames: null,
  depth: depthAt(depth, at),
  at,
});

export const everyPlace = (numFrames: number): number[] =>
  Array.from({ length: numFrames }, (_, i) => i);

/** Draws one of the kinds by weight; null if all weights are 0. */
function drawKind<K extends string>(
  random: RandomStream,
  weights: Partial<Record<K, number>>,
): K | null {
  const kinds = Object.entries<number | undefined>(weights).map(([kind, weight = 0]) => ({
    kind: kind as K,
    weight,
  }));
  const total = kinds.reduce((sum, { weight }) => sum + weight, 0);
  return total > 0 ? drawWeighted(random, kinds).kind : null;
}

/** Which frames are known, part by part, in the order of time; [] if none are. */
function drawPlaces(
  numFrames: number,
  hasDepth: boolean,
  random: RandomStream,
  { places, frames, parts, depth }: Mixture,
): number[][] {
  const { none, ...known } = places;
  // something must be given: depth, if no frame is known
  const canBeNone = hasDepth && ((depth.some ?? 0) > 0 || (depth.all ?? 0) > 0);
  const kind = drawKind<keyof typeof places>(random, canBeNone ? places : known);
  if (kind === null || kind === 'none') return [];
  const wanted = drawCount(random, parts);
  const share = random.between(...frames);
  const count = kind === 'all' ? numFrames : Math.max(1, Math.round(share * numFrames));
  const groups = divided(count, Math.min(wanted, count), random);
  const at = kind === 'all' ? everyPlace(numFrames) : [];
  if (kind === 'scattered') at.push(...placed(everyOne(count), numFrames, random));
  if (kind === 'runs') at.push(...placed(groups, numFrames, random));
  let start = 0;
  return groups.map((length) => {
    start += length;
    return at.slice(start - length, start);
  });
}

const everyOne = (count: number): number[] => new Array<number>(count).fill(1);

const drawCount = (random: RandomStream, [least, most]: [number, number]): number =>
  least + Math.floor(random.next() * (most - least + 1));

/** Divides `count` into this many groups of at least one each. */
function divided(count: number, groups: number, random: RandomStream): number[] {
  const cuts = new Set<number>();
  while (cuts.size < groups - 1) cuts.add(1 + Math.floor(random.next() * (count - 1)));
  const ends = [...cuts].sort((a, b) => a - b);
  return [...ends, count].map((end, i) => end - (i === 0 ? 0 : ends[i - 1]!));
}

/**
 * Places runs of these lengths on the time line, with random gaps between them; often the first run
 * begins with the clip, and the last one ends with it.
 */
function placed(lengths: readonly number[], numFrames: number, random: RandomStream): number[] {
  const free = numFrames - lengths.reduce((sum, length) => sum + length, 0);
  const gaps = lengths.map(() => Math.floor(random.next() * (free + 1))).sort((a, b) => a - b);
  if (random.chance(0.5)) gaps[0] = 0;
  if (lengths.length > 1 && random.chance(0.5)) gaps[gaps.length - 1] = free;
  let before = 0;
  return lengths.flatMap((length, i) => {
    const from = before + gaps[i]!;
    before += length;
    return Array.from({ length }, (_, k) => from + k);
  });
}

/** Single frames anywhere but at these places; at least one, if there is any. */
function drawOthers(numFrames: number, not: readonly number[], random: RandomStream): number[] {
  const free = everyPlace(numFrames).filter((place) => !not.includes(place));
  const share = random.next();
  const at = free.filter(() => random.chance(share));
  return at.length > 0 || free.length === 0 ? at : [random.pick(free)];
}

/** The frames at these places, as a part that lacks something. */
function drawPart(
  clip: Frames,
  at: number[],
  depth: DepthMap | null,
  random: RandomStream,
  mixture: Mixture,
): Known {
  const frames = framesAt(clip, at);
  const lacks = drawKind(random, mixture.hole) ?? 'none';
  const drawn =
    lacks === 'none'
      ? null
      : lacks === 'border'
        ? drawBorder(frames, random)
        : drawHole(frames, random, { moves: lacks === 'moving' });
  const soft = random.chance(mixture.soft);
  const hole = soft ? softened(drawn, frames, random) : drawn;
  const gray = random.chance(mixture.gray);
  const own = { at, gray, depth: depth && depthAt(depth, at) };
  if (!random.chance(mixture.small)) return { ...own, frames, hole };
  if (!hole) return { ...own, frames: degrade(frames, random), hole };
  // what is to be made must not show through when frames are made smaller, and larger again
  let lacking = hole;
  const small = degrade(frames, random, (size) => {
    lacking = shrunkHole(hole, frames, size);
    return grayIn(frames, resizeHole(lacking, { ...size, numFrames: frames.numFrames }, frames));
  });
  return { ...own, frames: small, hole: lacking };
}

/** Steps of a mask's values: files have 8 bits. */
const STEPS = 255;
/** Softest and hardest share of a soft mask: what is nearer to 0 or 1 counts as that in files. */
const [LEAST, MOST] = [0.1, 0.9];

/**
 * A mask with values between 0 and 1: the same one everywhere or rising from one side to the other,
 * in the hole or, without one, all over.
 */
function softened(
  hole: Uint8Array | null,
  { width, height, numFrames }: Frames,
  random: RandomStream,
): Float32Array {
  const from = random.between(LEAST, MOST);
  const to = random.chance(0.5) ? from : random.between(LEAST, MOST);
  const row = Float32Array.from({ length: width }, (_, x) => {
    const value = from + ((to - from) * x) / Math.max(1, width - 1);
    return Math.round(value * STEPS) / STEPS;
  });
  const soft = new Float32Array(numFrames * height * width);
  for (let i = 0; i < soft.length; i++) if (!hole || hole[i]) soft[i] = row[i % width]!;
  return soft;
}

/** Frames with middle gray wherever nothing of them is kept. */
function grayIn(frames: Frames, hole: Hole): Frames {
  const data = frames.data.slice();
  hole.forEach((missing, p) => {
    if (missing === 1) data.fill(128, p * 3, p * 3 + 3);
  });
  return { ...frames, data };
}

/** The hole at a smaller size: each pixel lacks the most of what the larger ones in it lack. */
function shrunkHole(hole: Hole, { width, height, numFrames }: Frames, small: Size): Hole {
  const length = numFrames * small.width * small.height;
  const shrunk = hole instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length);
  // the pixel that `resizeHole` takes when it enlarges the hole again
  const nearest = (from: number, to: number) => {
    const scale = Math.fround(to / from);
    return Array.from({ length: from }, (_, i) =>
      Math.min(to - 1, Math.floor(Math.fround(i * scale))),
    );
  };
  const columns = nearest(width, small.width);
  const rows = nearest(height, small.height);
  for (let frame = 0, i = 0; frame < numFrames; frame++) {
    for (let y = 0; y < height; y++) {
      const row = (frame * small.height + rows[y]!) * small.width;
      for (let x = 0; x < width; x++, i++) {
        const at = row + columns[x]!;
        if (hole[i]! > shrunk[at]!) shrunk[at] = hole[i]!;
      }
    }
  }
  return shrunk;
}
