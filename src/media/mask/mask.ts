/**
 * Masks: white marks the part to be filled, black the part to be kept.
 */
import { InputError } from '../../errors.js';
import { fromArray, type Tensor } from '../../tensor/index.js';
import { readMedia } from '../codecs/read.js';
import {
  type Frames,
  grayOf,
  type MediaSource,
  type ReadVideoOptions,
  sourceName,
} from '../frames.js';

/** `data` is [F, H, W]: 1 where something is to be filled, 0 where the input is kept. */
export interface Mask {
  /** set for a file without any white: a description such as `its lightest value is 1 of 255` */
  lightest?: string;
  path: string;
  width: number;
  height: number;
  numFrames: number;
  data: Uint8Array;
}

interface GrayOptions extends ReadVideoOptions {
  /** a note is added if other values were taken as black and white */
  notes?: string[];
  /** every shade of gray counts; only a mask of 0 and 1 is taken as black and white */
  soft?: boolean;
}

/**
 * Reads a mask from a picture, a clip or a folder: pixels lighter than 127 are 1. Transparent parts count
 * as black, so that white strokes on a transparent background work as expected.
 *
 * @throws InputError as `readGray` does
 */
export async function readMask(path: string, options: GrayOptions = {}): Promise<Mask> {
  return thresholdMask(await readGray(path, options));
}

/** Lighter values count as white. */
const HALF = 127;

/** Brightness 0..255 to 1 above the middle, 0 otherwise. */
export function thresholdMask(gray: Mask): Mask {
  return { ...gray, data: gray.data.map((value) => (value > HALF ? 1 : 0)) };
}

/**
 * The brightness of a picture or a clip, 0..255, with transparent parts black. If it holds exactly two
 * values and neither is lighter than half, as in masks of 0 and 1 or of two dark colours, the darker one
 * becomes 0 and the lighter one 255.
 *
 * @throws InputError as `readMedia` does, and for a file of more than two values of which none is white
 */
export async function readGray(
  source: MediaSource,
  { notes = [], soft = false, ...options }: GrayOptions = {},
): Promise<Mask> {
  const path = sourceName(source);
  const media = await readMedia(source, { ...options, background: [0, 0, 0], lowBits: true });
  notes.push(...media.notes);
  const { width, height, numFrames, data } = media;
  const gray = new Uint8Array(width * height * numFrames);
  const places = new Int32Array(256).fill(-1); // index of the first pixel with each value; -1: none
  for (let i = 0, j = 0; i < gray.length; i++, j += 3) {
    const value = grayOf(data[j]!, data[j + 1]!, data[j + 2]!);
    gray[i] = value;
    if (places[value] === -1) places[value] = i;
  }
  const mask = { path, width, height, numFrames, data: gray };
  const values = [...places.keys()].filter((value) => places[value] !== -1);
  const most = values.at(-1)!;
  if (most > HALF || (soft && most > 1)) return mask;

  const at = places[most]! * 3;
  const lightest = inWords(most, data.subarray(at, at + 3));
  if (values.length === 1) {
    const about = media.alpha === null ? lightest : 'where it is not transparent it is black';
    return { ...mask, lightest: about };
  }
  if (values.length > 2) {
    throw new InputError(
      `${path}: has no white part: ${lightest}, and it holds ${values.length} values${values.length <= FEW ? ` (${values.join(', ')}), as a map of labels does` : ''}; paint the part to be made white`,
    );
  }
  notes.push(`${path}: holds only two values, and ${lightest}, which is taken as white`);
  return { ...mask, data: gray.map((value) => (value === most ? 255 : 0)) };
}

/** Label maps hold few values; pictures hold more. */
const FEW = 16;

/** `its lightest value is 1 of 255`, `its lightest colour is #800000 (38 of 255)` */
function inWords(value: number, [r, g, b]: Uint8Array): string {
  const hex = [r!, g!, b!].map((channel) => channel.toString(16).padStart(2, '0')).join('');
  return r === g && g === b
    ? `its lightest value is ${value} of 255`
    : `its lightest colour is #${hex} (${value} of 255)`;
}

/**
 * Throws InputError unless `mask` fits `frames`: the same size, and as many frames (or one, which
 * applies to the whole clip).
 */
export function expectMaskFits(mask: Omit<Mask, 'data'>, frames: Frames & { path: string }): void {
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

/** [1, 1, F, H, W] float32: 1 where something is to be filled, 0 where the input is kept. */
export function maskToTensor({ width, height, numFrames, data }: Mask): Tensor {
  return fromArray(Float32Array.from(data), [1, 1, numFrames, height, width]);
}
