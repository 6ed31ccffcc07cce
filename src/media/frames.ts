/**
 * Pictures as plain bytes: what the codecs give and take. One picture is a clip of one frame.
 */
import { ShapeError } from '../errors.js';

/** `numFrames` pictures of one size; `data` is [F, H, W, 3], sRGB, 0..255, row by row. */
export interface Frames {
  width: number;
  height: number;
  numFrames: number;
  data: Uint8Array;
}

/** Frames read from a file or a folder. */
export interface Media extends Frames {
  path: string;
  kind: 'image' | 'video';
  /** frames a second; null for a picture */
  fps: number | null;
  /** opacity [F, H, W], 0..255, where the file has any; `data` is composited already */
  alpha: Uint8Array | null;
  /** the file's own range is 0..255, not 16..235 (`data` is 0..255 always); of video files only */
  fullRange?: boolean;
  /** what the user should know about the file, a sentence each (damage, colours, uneven timing) */
  notes: string[];
}

/** A file or a folder of pictures, by its path, or what was read already. */
export type MediaSource = string | Media;

/** What messages call it. */
export const sourceName = (source: MediaSource): string =>
  typeof source === 'string' ? source : source.path;

export interface ReadImageOptions {
  /** what shows through transparent parts, red, green, blue 0..255; white as on paper */
  background?: [number, number, number];
  /**
   * take a picture of 16 bits whose values are all below 256 by these, as masks and maps of labels
   * are written; else it is refused
   */
  lowBits?: boolean;
  signal?: AbortSignal;
}

export interface ReadVideoOptions {
  /** stop after so many frames; the rest of the file is not decoded */
  maxFrames?: number;
  /** resample to this constant rate; without it every stored frame comes once, as it is */
  fps?: number;
  /** seconds to skip at the beginning */
  start?: number;
  /** reduce to at most so many pixels on the longer side, in ffmpeg; animations stay as they are */
  maxSide?: number;
  /** refuse clips that are larger than this when decoded */
  maxBytes?: number;
  /** kills ffmpeg */
  signal?: AbortSignal;
}

/** Throws ShapeError unless `data` holds exactly the frames that the sizes say. */
export function expectFrames(where: string, frames: Frames): void {
  const { width, height, numFrames, data } = frames;
  const want = width * height * numFrames * 3;
  const whole = [width, height, numFrames].every((n) => Number.isInteger(n) && n > 0);
  if (!whole || data.length !== want) {
    throw new ShapeError(
      `${where}: data must be [F, H, W, 3] = [${numFrames}, ${height}, ${width}, 3], got ${data.length} bytes`,
    );
  }
}

/** Frames `start` to `end` (not included) of a clip, as a view of the same bytes. */
export function sliceFrames(frames: Frames, start: number, end: number): Frames {
  const { width, height, numFrames, data } = frames;
  if (start < 0 || end > numFrames || start >= end) {
    throw new ShapeError(`sliceFrames: must be within 0..${numFrames}, got ${start}..${end}`);
  }
  const frameBytes = width * height * 3;
  return {
    width,
    height,
    numFrames: end - start,
    data: data.subarray(start * frameBytes, end * frameBytes),
  };
}

/** Grey value of a colour as Pillow's mode L has it: ITU-R 601 luma in 16-bit fixed point. */
export function grayOf(r: number, g: number, b: number): number {
  return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
}

export interface Size {
  width: number;
  height: number;
}

/** Shapes that differ by less are stretched in any case: nobody sees it, and nothing is lost. */
const SAME_SHAPE = 1.03;

/** By what factor, at least 1, the aspect ratios of two sizes differ. */
export const shapeChange = (a: Size, b: Size): number =>
  Math.exp(Math.abs(Math.log((a.width * b.height) / (a.height * b.width))));

/** Are two sizes so near the same shape that one is stretched to the other, rather than cropped? */
export const hasSameShape = (a: Size, b: Size): boolean => shapeChange(a, b) < SAME_SHAPE;
