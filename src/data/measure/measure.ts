/** Measurements of single pictures, in plain TypeScript for worker threads. */

import type { Picture } from '../../media/codecs/video.js';
import { grayOf } from '../../media/frames.js';

/** Brightness 0..255, [H, W]. */
export interface Luma {
  width: number;
  height: number;
  data: Uint8Array;
}

export function lumaOf({ width, height, data }: Picture): Luma {
  const luma = new Uint8Array(width * height);
  for (let i = 0, j = 0; i < luma.length; i++, j += 3) {
    luma[i] = grayOf(data[j]!, data[j + 1]!, data[j + 2]!);
  }
  return { width, height, data: luma };
}

/**
 * Variance of the 3x3 Laplacian (0 1 0 / 1 -4 1 / 0 1 0) over the picture without its border; null if a
 * side is shorter than three pixels.
 * Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy"
 */
export function sharpnessOf({ width, height, data }: Luma): number | null {
  if (width < 3 || height < 3) return null;
  let [sum, squares] = [0, 0];
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * width + 1, end = (y + 1) * width - 1; i < end; i++) {
      const value =
        data[i - 1]! + data[i + 1]! + data[i - width]! + data[i + width]! - 4 * data[i]!;
      sum += value;
      squares += value * value;
    }
  }
  const count = (width - 2) * (height - 2);
  return squares / count - (sum / count) ** 2;
}

/** Mean difference between the largest and the smallest of red, green and blue, 0..255. */
export function chromaOf({ data }: Picture): number {
  let sum = 0;
  for (let j = 0; j < data.length; j += 3) {
    const [r, g, b] = [data[j]!, data[j + 1]!, data[j + 2]!];
    sum += Math.max(r, g, b) - Math.min(r, g, b);
  }
  return sum / (data.length / 3);
}

/** Mean brightness in the cells of a grid, [rows, columns]. */
export function cellsOf({ width, height, data }: Luma, columns: number, rows: number) {
  const cells = new Float32Array(columns * rows);
  const edge = (i: number, of: number, side: number) => Math.floor((i * side) / of);
  for (let row = 0, at = 0; row < rows; row++) {
    const top = edge(row, rows, height);
    const bottom = Math.max(top + 1, edge(row + 1, rows, height));
    for (let column = 0; column < columns; column++, at++) {
      const left = edge(column, columns, width);
      const right = Math.max(left + 1, edge(column + 1, columns, width));
      let sum = 0;
      for (let y = top; y < bottom; y++) {
        for (let i = y * width + left, end = y * width + right; i < end; i++) sum += data[i]!;
      }
      cells[at] = sum / ((bottom - top) * (right - left));
    }
  }
  return cells;
}

/** A hash of 64 bits in two halves, as whole numbers from 0 to 2^32 - 1. */
export type Hash64 = [high: number, low: number];

/** If the darkest and lightest cell differ by fewer gray levels than this, a hash would encode noise. */
const FLAT = 8;

/**
 * A bit for each of 8x8 cells that is darker than its right neighbour (9x8 cells in all); nearly the same
 * for a scaled or compressed copy. null for a picture of uniform brightness.
 * Source: dHash, Krawetz 2013, "Kind of like that"
 */
export function differenceHash(luma: Luma): Hash64 | null {
  const cells = cellsOf(luma, 9, 8);
  if (Math.max(...cells) - Math.min(...cells) < FLAT) return null;
  const hash: Hash64 = [0, 0];
  for (let row = 0, bit = 0; row < 8; row++) {
    for (let column = 0; column < 8; column++, bit++) {
      const at = row * 9 + column;
      if (cells[at]! < cells[at + 1]!) hash[bit >> 5]! |= 1 << (bit & 31);
    }
  }
  return [hash[0] >>> 0, hash[1] >>> 0];
}

/** A part of a picture in pixels. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Brightness up to which a border is black: 16 in limited range, plus compression noise. */
const BLACK = 24;
/** Most gray levels between the pixels of a border line; dark parts of scenes vary more, e.g. by 10. */
const EVEN = 6;

/**
 * Smallest share of non-black pixels just inside a border; at
 * the edge of a dark background there are fewer.
 */
const EDGE = 0.25;

/**
 * The part of pictures of one size that is inside black borders; null if all is black. Black without a
 * straight edge counts as part of the picture.
 *
 * @param seen  content already found in other frames, which the result includes
 */
export function contentOf(pictures: readonly Luma[], seen: Box | null): Box | null {
  const box = [...pictures.map(contentBox), seen].reduce(boxAround, null);
  if (box === null) return null;
  const { width, height } = pictures[0]!;
  let [left, top] = [box.left, box.top];
  let [right, bottom] = [left + box.width, top + box.height];
  const endsAt = (shareIn: (luma: Luma) => number) =>
    pictures.some((luma) => shareIn(luma) >= EDGE);
  // look at the second line: the first may be a blend of content and border
  const row = (y: number) => (luma: Luma) => litShare(luma, y * width + box.left, 1, box.width);
  const column = (x: number) => (luma: Luma) =>
    litShare(luma, box.top * width + x, width, box.height);
  const inner = (at: number, side: number) => Math.min(Math.max(at, 0), side - 1);
  if (!endsAt(row(inner(top + 1, height)))) top = 0;
  if (!endsAt(row(inner(bottom - 2, height)))) bottom = height;
  if (!endsAt(column(inner(left + 1, width)))) left = 0;
  if (!endsAt(column(inner(right - 2, width)))) right = width;
  return { left, top, width: right - left, height: bottom - top };
}

function litShare({ data }: Luma, start: number, step: number, count: number): number {
  let lit = 0;
  for (let k = 0, i = start; k < count; k++, i += step) if (data[i]! > BLACK) lit++;
  return lit / count;
}

/** The smallest box outside of which everything is uniformly black; null if the whole picture is. */
export function contentBox({ width, height, data }: Luma): Box | null {
  const isBlack = (start: number, step: number, count: number) => {
    let [least, most] = [BLACK, 0];
    for (let k = 0, i = start; k < count; k++, i += step) {
      const value = data[i]!;
      if (value < least) least = value;
      if (value > most) most = value;
      if (value > BLACK || most - least > EVEN) return false;
    }
    return true;
  };
  const isRowBlack = (y: number) => isBlack(y * width, 1, width);
  const isColumnBlack = (x: number) => isBlack(x, width, height);
  let [top, bottom, left, right] = [0, height, 0, width];
  while (top < bottom && isRowBlack(top)) top++;
  if (top === bottom) return null;
  while (isRowBlack(bottom - 1)) bottom--;
  while (left < right && isColumnBlack(left)) left++;
  while (right > left && isColumnBlack(right - 1)) right--;
  return { left, top, width: Math.max(1, right - left), height: bottom - top };
}

/** The smallest box around both. */
export function boxAround(a: Box | null, b: Box | null): Box | null {
  if (a === null || b === null) return a ?? b;
  const left = Math.min(a.left, b.left);
  const top = Math.min(a.top, b.top);
  return {
    left,
    top,
    width: Math.max(a.left + a.width, b.left + b.width) - left,
    height: Math.max(a.top + a.height, b.top + b.height) - top,
  };
}
