/**
 * Converts frames to tensors in the networks' value range and back, and resizes tensors.
 */
import { InputError, ShapeError } from '../../errors.js';
import { fromArray, ops, type Tensor, tidy } from '../../tensor/index.js';
import { expectFrames, type Frames, type Size } from '../frames.js';
import { type ResampleFilter, resample } from './resample.js';

/** (u8 / 255 - 0.5) / 0.5, each step in float32 as in the reference. */
const UNIT = Float32Array.from({ length: 256 }, (_, byte) => {
  return (Math.fround(byte / 255) - 0.5) / 0.5;
});

/**
 * Converts a picture (one frame) or a clip to a tensor for the networks.
 *
 * @returns [1, 3, F, H, W] float32 in -1..1
 */
export function framesToTensor(frames: Frames): Tensor {
  expectFrames('framesToTensor', frames);
  const { width, height, numFrames, data } = frames;
  const plane = width * height * numFrames;
  const values = new Float32Array(plane * 3);
  for (let i = 0, j = 0; i < plane; i++, j += 3) {
    values[i] = UNIT[data[j]!]!;
    values[plane + i] = UNIT[data[j + 1]!]!;
    values[2 * plane + i] = UNIT[data[j + 2]!]!;
  }
  return fromArray(values, [1, 3, numFrames, height, width]);
}

/**
 * Converts a network's output to bytes: x / 2 + 0.5 in float32, times 255, clipped to 0..255,
 * rounded half to even. NaN becomes 0. Bytes are unchanged by `framesToTensor` followed by this.
 *
 * @param x  [1, 3, F, H, W], [3, F, H, W] or [3, H, W], about -1..1, any float dtype
 * @throws ShapeError for another shape
 */
export function tensorToFrames(x: Tensor): Frames {
  const shape = x.shape;
  const [numFrames, height, width] = (
    shape.length === 3 ? [1, ...shape.slice(1)] : shape.slice(-3)
  ) as [number, number, number];
  const leading = shape.length === 3 ? shape[0] : shape.at(-4);
  if (
    shape.length < 3 ||
    shape.length > 5 ||
    leading !== 3 ||
    (shape.length === 5 && shape[0] !== 1)
  ) {
    throw new ShapeError(
      `tensorToFrames: x must be [1, 3, F, H, W], [3, F, H, W] or [3, H, W], got [${shape.join(', ')}]`,
    );
  }
  const values = x.toFloat32Array();
  const plane = width * height * numFrames;
  const bytes = new Uint8ClampedArray(plane * 3); // clips, and rounds half to even
  for (let i = 0, j = 0; i < plane; i++, j += 3) {
    bytes[j] = Math.fround(Math.fround(values[i]! / 2 + 0.5) * 255);
    bytes[j + 1] = Math.fround(Math.fround(values[plane + i]! / 2 + 0.5) * 255);
    bytes[j + 2] = Math.fround(Math.fround(values[2 * plane + i]! / 2 + 0.5) * 255);
  }
  return { width, height, numFrames, data: new Uint8Array(bytes.buffer) };
}

/** Resizes frames as Pillow's `Image.resize` does, bit for bit; see `resample`. */
export function resizeFrames(
  frames: Frames,
  size: Size,
  filter: ResampleFilter = 'bicubic',
): Frames {
  expectFrames('resizeFrames', frames);
  const { width, height, numFrames: count } = frames;
  const data = resample(frames.data, { count, height, width, channels: 3 }, size, filter);
  return { ...frames, width: size.width, height: size.height, data };
}

/**
 * Resizes bytes as Pillow's `Image.resize` does, bit for bit; see `resample`.
 *
 * @param x  [..., H, W] uint8
 * @returns  [..., size.height, size.width] uint8; `x` itself if the size is unchanged
 */
export function resizePillow(x: Tensor, size: Size, filter: ResampleFilter = 'bicubic'): Tensor {
  const { leading, height, width } = planesOf('resizePillow', x);
  if (x.dtype !== 'uint8') {
    throw new ShapeError(`resizePillow: x must be uint8, got ${x.dtype}; use resize for floats`);
  }
  if (size.width === width && size.height === height) {
    return x;
  }
  const count = leading.reduce((a, b) => a * b, 1);
  const samples = x.toArray() as Uint8Array;
  const resized = resample(samples, { count, height, width, channels: 1 }, size, filter);
  return fromArray(resized, [...leading, size.height, size.width]);
}

export interface ResizeOptions {
  mode?: 'nearest' | 'bilinear' | 'bicubic';
  /**
   * Widen the filter when reducing. Bicubic then uses a = -0.5 (like Pillow, without its rounding),
   * otherwise a = -0.75 (like torch). No effect on nearest.
   */
  antialias?: boolean;
}

/**
 * Resizes floats, differentiably. Nothing is clipped: bicubic overshoots at edges.
 *
 * @param x  [..., H, W], a float dtype
 * @returns  [..., size.height, size.width] in the dtype of `x`
 */
export function resize(
  x: Tensor,
  size: Size,
  { mode = 'bicubic', antialias = true }: ResizeOptions = {},
): Tensor {
  const { leading, height, width } = planesOf('resize', x);
  const target = [size.height, size.width];
  if (!target.every((side) => Number.isInteger(side) && side > 0)) {
    throw new InputError(
      `resize: size must be whole numbers above 0, got ${size.width}x${size.height}`,
    );
  }
  if (size.width === width && size.height === height) {
    return x;
  }
  return tidy(() => {
    // in float32, because the filters in bfloat16 are slower than the two casts (measured)
    const planes = x.to('float32').reshape([1, -1, height, width]);
    let resized: Tensor;
    if (mode === 'nearest') {
      resized = ops.upsampleNearest2d(planes, target);
    } else if (mode === 'bilinear') {
      const filter = antialias ? ops.upsampleBilinear2dAa : ops.upsampleBilinear2d;
      resized = filter(planes, target, false);
    } else {
      const filter = antialias ? ops.upsampleBicubic2dAa : ops.upsampleBicubic2d;
      resized = filter(planes, target, false);
    }
    return resized.reshape([...leading, ...target]).to(x.dtype);
  });
}

function planesOf(where: string, x: Tensor) {
  const shape = x.shape;
  if (shape.length < 2) {
    throw new ShapeError(`${where}: x must be [..., H, W], got [${shape.join(', ')}]`);
  }
  const [height, width] = shape.slice(-2) as [number, number];
  return { leading: shape.slice(0, -2), height, width };
}
