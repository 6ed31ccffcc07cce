/**
 * Lays out a user's input as the reference implementation does, with letterboxes, soft masks and its
 * own rounding. It is used with `compat`, so that results can be compared number by number.
 *
 * Source: reference implementation, pipeline_mfm.py
 */
import { InputError } from '../../../errors.js';
import {
  type DepthMap,
  depthToTensor,
  type Frames,
  framesToTensor,
  type Mask,
  resample,
  resize,
  resizeFrames,
  type Size,
} from '../../../media/index.js';
import { fittingFrames } from '../../../models/latent-grid.js';
import { roundHalfToEven } from '../../../round.js';
import {
  type Condition,
  type ConditionInputs,
  type DepthEstimator,
  inGray,
  REFERENCE_DEPTH_TASKS,
  type Task,
  takesKnownDepth,
  withDepth,
} from '../../../tasks/index.js';
import { fromArray, type Tensor, tidy, zeros } from '../../../tensor/index.js';
import type { CropType } from '../request.js';

export interface ReferenceOptions extends Size {
  /** frames asked for; a shorter clip gives fewer */
  numFrames: number;
  /** frames of a result for which only the ends are given */
  defaultNumFrames: number;
  cropType: CropType;
  /** factor by which isr enlarges its image */
  upscale: number;
  /** known frames at the joints of vexd and vtrans; default: 8 */
  joints?: readonly number[];
}

export interface ReferenceInput {
  /** pictures and clips, as the task takes them */
  media: Frames[];
  /**
   * 255 = known, 0 = to be generated, values between are a mixture; of any size, with one frame for
   * all or at least one for each frame of the condition
   */
  mask: Mask | null;
  /** see `withDepth`; default: none */
  depth?: readonly DepthMap[];
}

export interface ReferencePlan {
  given: ConditionInputs;
  condition: Condition;
  /** size and frames of the condition, which are what is sampled */
  target: Size & { numFrames: number };
  /** size that the result is resized to, by nearest neighbour; null: it is not resized */
  resultSize: Size | null;
  /** frames of the input before and after the result, [1, 3, F, H, W] */
  before: Tensor | null;
  after: Tensor | null;
}

/**
 * Lays out an input as the reference does.
 *
 * @throws InputError where the reference fails: an input so elongated that nothing is left of it, a
 *         mask with fewer frames than its clip
 */
export function referencePlan(
  task: Task,
  { media, mask, depth = [] }: ReferenceInput,
  options: ReferenceOptions,
  estimateDepth: DepthEstimator | null,
): ReferencePlan {
  const numFrames = framesOf(task, media, options);
  const input = { media, mask: null, joints: options.joints ?? JOINTS };
  const own = task.fromInput(input, numFrames);
  const given = withDepth(task, own, media, depth, REFERENCE_DEPTH_TASKS);
  const [first] = media;
  if (!first) {
    const target = { width: options.width, height: options.height, numFrames };
    const condition = nothingKnown(target);
    return { given, condition, target, resultSize: null, before: null, after: null };
  }
  const fit = fitOf(first, options);
  const target = { width: to16(fit.frame.width), height: to16(fit.frame.height), numFrames };
  const condition = tidy(() => layOut(task, given, mask, fit, target, estimateDepth));
  const { width, height } = first;
  const { upscale } = options;
  const resultSize =
    task.id === 'isr'
      ? { width: width * upscale, height: height * upscale }
      : task.id === 'icolor'
        ? { width, height }
        : null;
  const part = (frames: Frames | null) => frames && framesToTensor(resizeFrames(frames, target));
  return {
    given,
    condition,
    target,
    resultSize,
    before: part(given.before),
    after: part(given.after),
  };
}

/** Known frames where clips meet the generated part. */
const JOINTS = [8];

/** Number of frames of the condition. */
function framesOf(task: Task, media: Frames[], options: ReferenceOptions): number {
  if (task.result === 'image') return 1;
  if (media.length === 0) return options.numFrames;
  if (!task.followsInput) return options.defaultNumFrames;
  return Math.min(options.numFrames, fittingFrames(media[0]!.numFrames));
}

/** The sizes that an input passes through. */
interface Fit {
  /** the size asked for, rotated if the input is a portrait */
  asked: Size;
  /** size that every frame is resized to, multiples of 16 */
  picture: Size;
  /** the picture with its bars */
  frame: Size;
}

function fitOf({ width, height }: Size, options: ReferenceOptions): Fit {
  const turned = options.cropType !== 'keep_ratio_h' && width < height;
  const asked = turned
    ? { width: options.height, height: options.width }
    : { width: options.width, height: options.height };
  const scale = Math.min(asked.width / width, asked.height / height);
  const side = (length: number) => to16(roundHalfToEven(length * scale));
  const picture = { width: side(width), height: side(height) };
  if (picture.width < 16 || picture.height < 16) {
    throw new InputError(
      `${width}x${height}: is too elongated for ${asked.width}x${asked.height}: one side would be below 16; ask for a larger size`,
    );
  }
  return { asked, picture, frame: options.cropType === 'keep_res' ? picture : asked };
}

function layOut(
  task: Task,
  { known }: ConditionInputs,
  mask: Mask | null,
  { asked, picture, frame }: Fit,
  target: Size & { numFrames: number },
  estimateDepth: DepthEstimator | null,
): Condition {
  const condition = nothingKnown(target);
  const offset = {
    left: Math.floor((frame.width - picture.width) / 2),
    top: Math.floor((frame.height - picture.height) / 2),
  };
  const depthToo = takesKnownDepth(REFERENCE_DEPTH_TASKS, task);
  for (const { frames, at, gray, depth: map } of known) {
    // icolor first stretches to the size asked for
    const source = task.id === 'icolor' ? resizeFrames(frames, asked) : frames;
    const boxed = letterbox(resizeFrames(source, picture).data, picture, frame, offset, 3);
    const padded: Frames = { ...frame, numFrames: frames.numFrames, data: boxed };

    const rounded = resize(framesToTensor(padded), target, {
      mode: task.id === 'vsr' ? 'bicubic' : 'nearest',
      antialias: false,
    });
    const pixels = gray ? inGray(rounded) : rounded; // [1, 3, F', H, W]
    const keep = resize(maskOf(mask, frames.numFrames, picture, frame, offset), target, {
      mode: 'nearest',
    });
    place(condition.pixels, pixels.mul(keep), at);
    place(condition.mask, keep, at);
    const near =
      depthToo && (map ? boxedDepth(map, picture, frame, offset) : estimateDepth?.(padded));
    if (near) {
      const depth = resize(near, target, { antialias: false });
      place(condition.depth, depth.unsqueeze(0).unsqueeze(0), at);
    }
  }
  return condition;
}

/** How far each pixel is known, 0..1, as [1, 1, F, H, W] at the frame's size; bars are unknown. */
function maskOf(
  mask: Mask | null,
  numFrames: number,
  picture: Size,
  frame: Size,
  offset: Offset,
): Tensor {
  const resized = mask
    ? resizedMask(mask, numFrames, picture)
    : new Uint8Array(numFrames * picture.width * picture.height).fill(255);
  const boxed = letterbox(resized, picture, frame, offset, 1);
  // to -1..1 and back, with the reference's steps and precision
  const values = Float32Array.from(boxed, (byte) => {
    const signed = Math.fround(Math.fround(Math.fround(byte / 255) - 0.5) / 0.5);
    return Math.fround(signed * 0.5) + 0.5;
  });
  return fromArray(values, [1, 1, numFrames, frame.height, frame.width]);
}

/** The mask of the first frames, stretched to the picture's size. */
function resizedMask(mask: Mask, numFrames: number, picture: Size): Uint8Array {
  const { path, width, height, data } = mask;
  const count = mask.numFrames === 1 ? 1 : numFrames;
  if (mask.numFrames < count) {
    throw new InputError(
      `${path}: a mask must have one frame or as many as its input (${numFrames}), got ${mask.numFrames}; give one for each frame`,
    );
  }
  const layout = { count, width, height, channels: 1 };
  const used = data.subarray(0, count * width * height);
  const resized = resample(used, layout, picture, 'bicubic');
  return count === numFrames ? resized : Buffer.concat(new Array(numFrames).fill(resized));
}

/** [F, H, W] at the frame's size; the bars are infinitely far away. */
function boxedDepth(map: DepthMap, picture: Size, frame: Size, { left, top }: Offset): Tensor {
  const boxed = zeros([map.numFrames, frame.height, frame.width]);
  const within = boxed.narrow(1, top, picture.height).narrow(2, left, picture.width);
  within.copy_(depthToTensor(map, picture));
  return boxed;
}

interface Offset {
  left: number;
  top: number;
}

/** Places pictures [H, W, channels] within larger black ones, at an offset. */
function letterbox(
  data: Uint8Array,
  picture: Size,
  frame: Size,
  { left, top }: Offset,
  channels: number,
): Uint8Array {
  if (picture.width === frame.width && picture.height === frame.height) return data;
  const row = picture.width * channels;
  const count = data.length / (row * picture.height);
  const boxed = new Uint8Array(count * frame.width * frame.height * channels);
  for (let i = 0; i < count; i++) {
    for (let y = 0; y < picture.height; y++) {
      const from = (i * picture.height + y) * row;
      const to = ((i * frame.height + top + y) * frame.width + left) * channels;
      boxed.set(data.subarray(from, from + row), to);
    }
  }
  return boxed;
}

/** Writes frames [1, C, F', H, W] to their positions on the timeline. */
function place(into: Tensor, frames: Tensor, at: readonly number[]): void {
  at.forEach((index, i) => {
    into.narrow(2, index, 1).copy_(frames.narrow(2, i, 1));
  });
}

function nothingKnown({ width, height, numFrames }: Size & { numFrames: number }): Condition {
  return {
    pixels: zeros([1, 3, numFrames, height, width]),
    depth: zeros([1, 1, numFrames, height, width]),
    mask: zeros([1, 1, numFrames, height, width]),
  };
}

const to16 = (side: number) => Math.floor(side / 16) * 16;
