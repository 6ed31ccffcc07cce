/** A picture as a texture: smaller versions of it, and its colour at any place and size of a pixel. */

import type { Point } from '../solid.js';

/** One picture and its halvings down to a few pixels. */
export interface Photo {
  levels: readonly Level[];
  /** its mean colour, RGB 0..255 */
  mean: Point;
}

interface Level {
  width: number;
  height: number;
  /** RGB, [H, W, 3] */
  data: Uint8Array;
}

/** @param data   RGB, [H, W, 3] */
export function photoOf(level: Level): Photo {
  const levels = [level];
  for (let last = level; Math.min(last.width, last.height) >= 4; last = levels.at(-1)!) {
    levels.push(halved(last));
  }
  const { data } = levels.at(-1)!;
  const mean: Point = [0, 0, 0];
  for (let p = 0; p < data.length; p++) mean[p % 3]! += (3 * data[p]!) / data.length;
  return { levels, mean };
}

/**
 * A place on a photo. Numbers that are passed to a function take memory of their own, fields of an object
 * do not: with millions of places that makes drawing much faster.
 */
export interface PhotoPlace {
  /** from the left, in widths of the picture */
  u: number;
  /** from the top, in widths of the picture too */
  v: number;
  /** side of the pixel to colour, in widths of the picture */
  pixel: number;
}

/**
 * The colour of a photo, which continues mirrored beyond its edges.
 *
 * @param out   receives RGB, 0..255
 */
export function colourAt({ levels }: Photo, { u, v, pixel }: PhotoPlace, out: Float32Array): void {
  // the level whose pixels are nearest in size, on a scale of doublings
  let level = 0;
  for (let size = pixel * levels[0]!.width; size >= Math.SQRT2; size /= 2) level++;
  const { width, height, data } = levels[Math.min(levels.length - 1, level)]!;
  const x = mirrored(u * width, width);
  const y = mirrored(v * width, height);
  const left = Math.floor(x);
  const top = Math.floor(y);
  const right = left + 1 < width ? 3 : 0;
  const down = top + 1 < height ? 3 * width : 0;
  const p = (top * width + left) * 3;
  const fx = x - left;
  const fy = y - top;
  // written out for each channel: this is most of the work of drawing
  const near = (1 - fx) * (1 - fy);
  const across = fx * (1 - fy);
  const below = (1 - fx) * fy;
  const far = fx * fy;
  const q = p + right;
  const r = p + down;
  const s = r + right;
  out[0] = data[p]! * near + data[q]! * across + data[r]! * below + data[s]! * far;
  out[1] = data[p + 1]! * near + data[q + 1]! * across + data[r + 1]! * below + data[s + 1]! * far;
  out[2] = data[p + 2]! * near + data[q + 2]! * across + data[r + 2]! * below + data[s + 2]! * far;
}

/** The place of a coordinate among the centres of pixels, 0..length - 1. */
function mirrored(x: number, length: number): number {
  const period = 2 * length;
  const rest = x - period * Math.floor(x / period);
  const folded = rest > length ? period - rest : rest;
  return Math.min(length - 1, Math.max(0, folded - 0.5));
}

function halved({ width, height, data }: Level): Level {
  const [w, h] = [Math.max(1, width >> 1), Math.max(1, height >> 1)];
  const half = new Uint8Array(w * h * 3);
  for (let y = 0, p = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const q = (2 * y * width + 2 * x) * 3;
      const right = width > 1 ? 3 : 0;
      const down = height > 1 ? width * 3 : 0;
      for (let c = q; c < q + 3; c++, p++) {
        half[p] =
          (data[c]! + data[c + right]! + data[c + down]! + data[c + down + right]! + 2) >> 2;
      }
    }
  }
  return { width: w, height: h, data: half };
}
