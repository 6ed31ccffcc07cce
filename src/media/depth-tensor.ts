/** Depth from a safetensors file, read in plain TypeScript so that worker threads can. */
import { readFileSync } from 'node:fs';
import { InputError } from '../errors.js';
import type { DepthMap } from './depth.js';

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/**
 * The one tensor of the file, [H, W] or [F, H, W], as it is.
 *
 * @throws InputError if the file cannot be read or is no such thing
 * Source: the format's description, safetensors README
 */
export function readDepthTensor(path: string): DepthMap {
  const bytes = bytesOf(path);
  const header = headerOf(path, bytes);
  const names = Object.keys(header.entries);
  if (names.length !== 1) {
    throw new InputError(`${path}: must hold one tensor, the depth [F, H, W], got ${names.length}`);
  }
  const { dtype, shape, data_offsets } = header.entries[names[0]!]!;
  if ((shape.length !== 2 && shape.length !== 3) || shape.includes(0)) {
    throw new InputError(
      `${path}: depth must be [F, H, W], or [H, W] for one frame, got [${shape.join(', ')}]`,
    );
  }
  const [start, end] = data_offsets.map((offset) => header.end + offset) as [number, number];
  const data = floatsOf(path, dtype, bytes.slice(start, end));
  const [height, width] = shape.slice(-2) as [number, number];
  const numFrames = shape.length === 3 ? shape[0]! : 1;
  if (data.length !== numFrames * height * width) throw damaged(path, 'the tensor is cut off');
  if (!data.every(Number.isFinite)) {
    throw new InputError(`${path}: depth must be finite, got a value that is not`);
  }
  return { path, width, height, numFrames, data };
}

function bytesOf(path: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : `cannot be read (${message})`;
    throw new InputError(`${path}: ${why}`, { cause });
  }
}

function headerOf(path: string, bytes: Uint8Array<ArrayBuffer>) {
  const length = bytes.length < 8 ? -1 : Number(new DataView(bytes.buffer).getBigUint64(0, true));
  if (length < 0 || 8 + length > bytes.length) {
    throw damaged(path, 'the header reaches beyond the end');
  }
  let parsed: Record<string, Entry>;
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  } catch (cause) {
    throw damaged(path, 'the header is not JSON', cause);
  }
  const { __metadata__: _, ...entries } = parsed;
  for (const [name, entry] of Object.entries(entries)) {
    if (!Array.isArray(entry?.shape) || !Array.isArray(entry.data_offsets)) {
      throw damaged(path, `"${name}" has no dtype, shape and data_offsets`);
    }
  }
  return { entries, end: 8 + length };
}

const damaged = (path: string, why: string, cause?: unknown): InputError =>
  new InputError(`${path}: is not a whole safetensors file (${why}); copy or download it again`, {
    cause,
  });

function floatsOf(path: string, dtype: string, { buffer }: Uint8Array<ArrayBuffer>): Float32Array {
  const size = { F64: 8, F32: 4, F16: 2, BF16: 2 }[dtype];
  if (size === undefined) {
    throw new InputError(`${path}: depth must be of F32, F64, F16 or BF16, got ${dtype}`);
  }
  if (buffer.byteLength % size !== 0) throw damaged(path, 'the tensor is cut off');
  if (dtype === 'F32') return new Float32Array(buffer);
  if (dtype === 'F64') return Float32Array.from(new Float64Array(buffer));
  const halves = new Uint16Array(buffer);
  // a bfloat16 is the upper half of a float32
  if (dtype === 'BF16') {
    return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
  }
  return Float32Array.from(halves, fromHalf);
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
