/** Colour drift: changes in colour across the border of a hole, or from one clip to another. */
import type { Frames } from '../../media/index.js';
import { mean } from '../quality.js';
import { expectAlike, expectHole } from './expect.js';

/** Width of the bands beside a border, as a share of the frame's shorter side. Our choice */
const REACH = 1 / 16;

/**
 * Difference in colour between the inside of a hole and its surroundings, in levels (0..255): the
 * absolute difference between the mean colours of the band within `reach` inside the border and the band
 * within `reach` outside, averaged over the channels and over the frames that have both bands; null if
 * no frame has. Different objects may have different colours, so compare the figure with that of the
 * true clip. The definition is ours.
 *
 * @param hole   [F, H, W], 1 where something was generated
 * @param reach  width of the bands in pixels, also diagonally (Chebyshev distance)
 */
export function holeColourDrift(
  clip: Frames,
  hole: Uint8Array,
  reach: number = Math.max(1, Math.round(REACH * Math.min(clip.width, clip.height))),
): number | null {
  expectHole('holeColourDrift', clip, hole);
  const { width, height, numFrames } = clip;
  const plane = width * height;
  const drifts: number[] = [];
  for (let frame = 0; frame < numFrames; frame++) {
    const made = hole.subarray(frame * plane, (frame + 1) * plane);
    const known = made.map((is) => 1 - is);
    const nearMade = grown(made, width, height, reach);
    const nearKnown = grown(known, width, height, reach);
    const inside = meanColour(clip, frame, (p) => made[p]! & nearKnown[p]!);
    const outside = meanColour(clip, frame, (p) => known[p]! & nearMade[p]!);
    if (inside && outside) drifts.push(distance(inside, outside));
  }
  return drifts.length > 0 ? mean(drifts) : null;
}

/**
 * Difference in colour between two clips of the same content, in levels (0..255), such as the frames in
 * which two windows of a long clip overlap: the absolute difference of the frames' mean colours, averaged
 * over channels and frames.
 */
export function clipColourDrift(clip: Frames, reference: Frames): number {
  expectAlike('clipColourDrift', clip, reference);
  const all = () => 1;
  return mean(
    Array.from({ length: clip.numFrames }, (_, frame) =>
      distance(meanColour(clip, frame, all)!, meanColour(reference, frame, all)!),
    ),
  );
}

type Colour = [number, number, number];

/** Mean colour of the frame's pixels for which `counts` is not 0; null if there are none. */
function meanColour(
  { width, height, data }: Frames,
  frame: number,
  counts: (p: number) => number,
): Colour | null {
  const plane = width * height;
  let [red, green, blue, count] = [0, 0, 0, 0];
  for (let p = 0; p < plane; p++) {
    if (!counts(p)) continue;
    const at = (frame * plane + p) * 3;
    red += data[at]!;
    green += data[at + 1]!;
    blue += data[at + 2]!;
    count++;
  }
  return count > 0 ? [red / count, green / count, blue / count] : null;
}

const distance = (a: Colour, b: Colour): number => mean(a.map((v, i) => Math.abs(v - b[i]!)));

/** Dilates a mask [H, W] by `reach` pixels in a square window: rows first, then columns. */
function grown(plane: Uint8Array, width: number, height: number, reach: number): Uint8Array {
  const rows = new Uint8Array(plane.length);
  for (let y = 0; y < height; y++) growLine(plane, rows, y * width, 1, width, reach);
  const out = new Uint8Array(plane.length);
  for (let x = 0; x < width; x++) growLine(rows, out, x, width, height, reach);
  return out;
}

function growLine(
  from: Uint8Array,
  to: Uint8Array,
  start: number,
  step: number,
  length: number,
  reach: number,
): void {
  // number of ones from i - reach to i + reach
  let count = 0;
  for (let i = -reach; i < length; i++) {
    if (i + reach < length) count += from[start + (i + reach) * step]!;
    if (i - reach - 1 >= 0) count -= from[start + (i - reach - 1) * step]!;
    if (i >= 0 && count > 0) to[start + i * step] = 1;
  }
}
