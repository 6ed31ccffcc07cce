/**
 * Pictures as plain bytes, which the codecs read and write. One picture is a clip of one frame.
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
  /** frames per second; null for a picture, or if the file does not state it */
  fps: number | null;
  /** alpha channel [F, H, W], 0..255, null if all is opaque; `data` is already composited */
  alpha: Uint8Array | null;
  /** video files only: stored in full range, 0..255, not in 16..235 (`data` is always full range) */
  fullRange?: boolean;
  /** video files only: their frame rate varies, and they were read at the mean rate; sound would drift */
  variableRate?: boolean;
  /** facts about the file that the user should know, one sentence each (damage, colours, timing) */
  notes: string[];
}

/** A file or a folder of pictures, by its path, or what was read already. */
export type MediaSource = string | Media;

/** What messages call it. */
export const sourceName = (source: MediaSource): string =>
  typeof source === 'string' ? source : source.path;

export interface ReadImageOptions {
  /** colour behind transparent parts: red, green, blue, 0..255; white by default */
  background?: [number, number, number];
  /**
   * accept a 16-bit picture whose values are all below 256, and use these values directly, as masks and
   * label maps are stored; by default it is refused
   */
  lowBits?: boolean;
  /** a frame of a clip that has lighter ones: it may be as dark as it is */
  amongLighter?: boolean;
  signal?: AbortSignal;
}

export interface ReadVideoOptions {
  /** stop after this many frames; the rest of the file is not decoded */
  maxFrames?: number;
  /** resample to this constant frame rate; by default every stored frame is returned exactly once */
  fps?: number;
  /** seconds to skip at the beginning */
  start?: number;
  /** let ffmpeg reduce the longer side to at most this many pixels; animations keep their size */
  maxSide?: number;
  /** refuse clips that take more memory than this when decoded */
  maxBytes?: number;
  /** kills ffmpeg */
  signal?: AbortSignal;
}

/** Throws ShapeError unless `data` has exactly the length that the sizes imply. */
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

/** Frames `start` to `end` (exclusive) of a clip, as a view of the same bytes. */
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

/** Gray value of a colour as in Pillow's mode L: ITU-R 601 luma in 16-bit fixed point. */
export function grayOf(r: number, g: number, b: number): number {
  return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
}

export interface Size {
  width: number;
  height: number;
}

/**
 * Aspect ratios that differ by less than this factor are always stretched: invisible, and nothing
 * is cut off.
 */
const SAME_SHAPE = 1.03;

/** The factor, at least 1, by which the aspect ratios of two sizes differ. */
export const shapeChange = (a: Size, b: Size): number =>
  Math.exp(Math.abs(Math.log((a.width * b.height) / (a.height * b.width))));

/** Are two aspect ratios close enough to stretch one size to the other, instead of cropping? */
export const hasSameShape = (a: Size, b: Size): boolean => shapeChange(a, b) < SAME_SHAPE;

/** The part of every frame that begins at `left`, `top`. */
export function cutOut(
  frames: Frames,
  { left, top }: { left: number; top: number },
  { width, height }: Size,
): Frames {
  const data = new Uint8Array(frames.numFrames * width * height * 3);
  for (let frame = 0; frame < frames.numFrames; frame++) {
    for (let y = 0; y < height; y++) {
      const from = ((frame * frames.height + top + y) * frames.width + left) * 3;
      const to = (frame * height + y) * width * 3;
      data.set(frames.data.subarray(from, from + width * 3), to);
    }
  }
  return { width, height, numFrames: frames.numFrames, data };
}
