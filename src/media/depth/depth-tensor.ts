/** Reads depth from a safetensors file without LibTorch, so that worker threads can use it. */
import { InputError } from '../../errors.js';
import { short } from '../../files/read-json.js';
import { readRegularSync, unreadable } from '../../files/regular-file.js';
import { bytesPerElement, type DType, typedArrayFor } from '../../tensor/dtype.js';
import { readSafetensorsHeader } from '../../tensor/safetensors-header.js';
import type { DepthMap } from './depth-map.js';

/**
 * The file's only tensor, [H, W] or [F, H, W], with unchanged values.
 *
 * @throws InputError if the file cannot be read, or holds anything else
 * Source: the format's description, safetensors README
 */
export function readDepthTensor(path: string): DepthMap {
  const bytes = bytesOf(path);
  const { entries } = readSafetensorsHeader(path, bytes.length, (offset, length) =>
    bytes.subarray(offset, offset + length),
  );
  const [entry] = entries.values();
  if (!entry || entries.size !== 1) {
    const names = [...entries.keys()].slice(0, 3).map((name) => `"${short(name)}"`);
    const more = entries.size > 3 ? ', …' : '';
    const which = entries.size > 0 ? ` (${names.join(', ')}${more})` : '';
    throw new InputError(
      `${path}: must hold one tensor, the depth [F, H, W], got ${entries.size}${which}; save the depth alone`,
    );
  }
  const { dtype, shape, offset } = entry;
  if ((shape.length !== 2 && shape.length !== 3) || shape.includes(0)) {
    throw new InputError(
      `${path}: depth must be [F, H, W], or [H, W] for one frame, got [${shape.join(', ')}]`,
    );
  }
  const count = shape.reduce((product, size) => product * size, 1);
  const data = floatsOf(dtype, bytes.slice(offset, offset + count * bytesPerElement(dtype)));
  const [height, width] = shape.slice(-2) as [number, number];
  const numFrames = shape.length === 3 ? shape[0]! : 1;
  const broken = data.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) {
    const [x, y] = [broken % width, Math.floor(broken / width) % height];
    throw new InputError(
      `${path}: depth must be finite, got ${data[broken]} at ${x},${y} of frame ${Math.floor(broken / (width * height))}; replace such values, those that are unknown by the farthest`,
    );
  }
  return { path, width, height, numFrames, data };
}

function bytesOf(path: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readRegularSync(path));
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function floatsOf(dtype: DType, { buffer }: Uint8Array<ArrayBuffer>): Float32Array {
  const values = new (typedArrayFor(dtype))(buffer);
  if (dtype === 'float32') return values as Float32Array;
  if (dtype === 'float16') return Float32Array.from(values as Uint16Array, fromHalf);
  // a bfloat16 is the upper half of a float32
  if (dtype === 'bfloat16') {
    return new Float32Array(Uint32Array.from(values as Uint16Array, (half) => half << 16).buffer);
  }
  return Float32Array.from(values as ArrayLike<number | bigint>, Number);
}

/** Source: IEEE 754-2019, binary16 */
function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
