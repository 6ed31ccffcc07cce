/** Degrades whole clips for training: poor copies, holes and borders. */
import type { RandomStream } from '../data/random.js';
import { type Frames, type ResampleFilter, resizeFrames, type Size } from '../media/index.js';
import { compress } from './compress.js';

/** Kernels with which pictures are commonly shrunk. */
const SHRINK_FILTERS: ResampleFilter[] = ['bicubic', 'bilinear', 'box', 'lanczos'];

/**
 * A poor copy of a clip: smaller, sometimes with noise, and sometimes compressed.
 * Source: the paper, A.3; noise and compression are ours
 *
 * @param before   the clip that is made smaller, given the size; default: `clip`
 */
export function degrade(
  clip: Frames,
  random: RandomStream,
  before?: (size: Size) => Frames,
): Frames {
  const small = shrink(clip, random, before);
  const noisy = random.chance(0.5) ? withGrain(small, random.between(1, 6), random) : small;
  return random.chance(0.5) ? compress(noisy, random.between(40, 95)) : noisy;
}

/** Frames with noise of this standard deviation, 0..255. */
function withGrain(frames: Frames, deviation: number, random: RandomStream): Frames {
  const data = new Uint8ClampedArray(frames.data.length);
  // nearly normal: the sum of four uniform bytes of one random number
  const scale = deviation / Math.sqrt((4 * (256 ** 2 - 1)) / 12);
  for (let i = 0; i < data.length; i++) {
    const bits = random.next() * 2 ** 32;
    const sum = (bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24);
    data[i] = frames.data[i]! + scale * (sum - 510);
  }
  return { ...frames, data: new Uint8Array(data.buffer) };
}

/** The clip 2 to 6 times smaller, with one of several kernels. Source: the paper, A.3 */
export function shrink(
  clip: Frames,
  random: RandomStream,
  before: (size: Size) => Frames = () => clip,
): Frames {
  const factor = random.between(2, 6);
  const size = {
    width: Math.max(1, Math.round(clip.width / factor)),
    height: Math.max(1, Math.round(clip.height / factor)),
  };
  return resizeFrames(before(size), size, random.pick(SHRINK_FILTERS));
}

/**
 * A hole of 1/9 to 1/4 of the pixels, inside the frame: a box, an ellipse, or either drifting
 * through the clip. Source: the paper, A.3; shapes and drift are ours
 *
 * @param moves   whether it drifts; default: in half of all cases
 * @returns [F, H, W], 1 in the hole
 */
export function drawHole(
  { width, height, numFrames }: Frames,
  random: RandomStream,
  { moves }: { moves?: boolean } = {},
): Uint8Array {
  const area = random.between(1 / 9, 1 / 4);
  const round = random.chance(0.5);
  const aspect = random.between(0.7, 1.4);
  // an ellipse fills π/4 of its box
  const side = Math.sqrt(round ? (area * 4) / Math.PI : area);
  const w = Math.min(0.9, side * Math.sqrt(aspect)) * width;
  const h = Math.min(0.9, side / Math.sqrt(aspect)) * height;
  const from = { x: random.between(0, width - w), y: random.between(0, height - h) };
  const stays = moves === undefined ? random.chance(0.5) : !moves;
  const to = stays ? from : { x: random.between(0, width - w), y: random.between(0, height - h) };

  const hole = new Uint8Array(numFrames * height * width);
  for (let frame = 0; frame < numFrames; frame++) {
    const time = numFrames > 1 ? frame / (numFrames - 1) : 0;
    const left = from.x + (to.x - from.x) * time;
    const top = from.y + (to.y - from.y) * time;
    for (let y = 0; y < height; y++) {
      const v = (y + 0.5 - top) / h;
      if (v < 0 || v > 1) continue;
      const row = (frame * height + y) * width;
      for (let x = 0; x < width; x++) {
        const u = (x + 0.5 - left) / w;
        if (u < 0 || u > 1) continue;
        if (!round || (u - 0.5) ** 2 + (v - 0.5) ** 2 <= 0.25) hole[row + x] = 1;
      }
    }
  }
  return hole;
}

/**
 * Borders of 1/8 to 1/4 of a side: on one side, on two that face each other, or on all.
 * Source: the paper, A.3; which sides is ours
 *
 * @returns [F, H, W], 1 in the borders
 */
export function drawBorder({ width, height, numFrames }: Frames, random: RandomStream): Uint8Array {
  const sides = random.pick(['left', 'right', 'top', 'bottom', 'x', 'y', 'all'] as const);
  const share = (...names: string[]) =>
    names.includes(sides) || sides === 'all' ? random.between(1 / 8, 1 / 4) : 0;
  const left = Math.round(share('left', 'x') * width);
  const right = width - Math.round(share('right', 'x') * width);
  const top = Math.round(share('top', 'y') * height);
  const bottom = height - Math.round(share('bottom', 'y') * height);
  const plane = new Uint8Array(width * height).fill(1);
  for (let y = top; y < bottom; y++) plane.fill(0, y * width + left, y * width + right);
  const border = new Uint8Array(numFrames * plane.length);
  for (let frame = 0; frame < numFrames; frame++) border.set(plane, frame * plane.length);
  return border;
}
