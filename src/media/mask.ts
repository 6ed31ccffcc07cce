/**
 * Masks: white is the part to be filled, black is kept.
 */
import { InputError } from '../errors.js';
import { type Frames, grayOf, type ReadVideoOptions } from './frames.js';
import { readMedia } from './read.js';

/** `data` is [F, H, W]: 1 where something is to be filled, 0 where the input is kept. */
export interface Mask {
  path: string;
  width: number;
  height: number;
  numFrames: number;
  data: Uint8Array;
}

/**
 * Reads a mask from a picture, a clip or a folder: pixels lighter than 127 are 1. Transparent parts
 * count as black, so white strokes on a transparent ground do what they seem to.
 *
 * @throws InputError as `readMedia`
 */
export async function readMask(path: string, options: ReadVideoOptions = {}): Promise<Mask> {
  return thresholdMask(await readGray(path, options));
}

/** Brightness 0..255 to 1 above the middle, else 0. */
export function thresholdMask(gray: Mask): Mask {
  return { ...gray, data: gray.data.map((value) => (value > 127 ? 1 : 0)) };
}

/** The brightness of a picture or a clip, 0..255, where transparent parts are black. */
export async function readGray(path: string, options: ReadVideoOptions = {}): Promise<Mask> {
  const media = await readMedia(path, { ...options, background: [0, 0, 0] });
  const { width, height, numFrames, data } = media;
  const gray = new Uint8Array(width * height * numFrames);
  for (let i = 0, j = 0; i < gray.length; i++, j += 3) {
    gray[i] = grayOf(data[j]!, data[j + 1]!, data[j + 2]!);
  }
  return { path, width, height, numFrames, data: gray };
}

/**
 * Throws InputError unless `mask` fits `frames`: the same size, and as many frames (or one, which
 * holds for the whole clip).
 */
export function expectMaskFits(mask: Mask, frames: Frames & { path: string }): void {
  if (mask.width !== frames.width || mask.height !== frames.height) {
    throw new InputError(
      `${mask.path}: a mask must have the size of its input (${frames.width}x${frames.height}), got ${mask.width}x${mask.height}; draw it on a frame of ${frames.path}`,
    );
  }
  if (mask.numFrames !== 1 && mask.numFrames !== frames.numFrames) {
    throw new InputError(
      `${mask.path}: a mask must have one frame or as many as its input (${frames.numFrames}), got ${mask.numFrames}; cut it to the length of ${frames.path}`,
    );
  }
}
