/** Files of depth as 32-bit floats, with unchanged values. */
import { open } from 'node:fs/promises';
import { InputError } from '../../errors.js';
import type { Size } from '../frames.js';

export interface Floats {
  size: Size;
  numFrames: number;
  frames(): AsyncIterable<Float32Array>;
}

/** One tensor, `depth`, [F, H, W]. Source: the format's description, safetensors README */
export async function writeDepthTensor(path: string, depth: Floats): Promise<void> {
  const { width, height } = depth.size;
  const shape = [depth.numFrames, height, width];
  const end = depth.numFrames * height * width * 4;
  const text = JSON.stringify({ depth: { dtype: 'F32', shape, data_offsets: [0, end] } });
  // padded with spaces, so that the data begins at a multiple of 8 bytes
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(header.length));
  await writeParts(path, Buffer.concat([start, header]), depth);
}

/** The values of a TIFF picture end within 4 GB. */
const MOST_BYTES = 2 ** 32 - 2 ** 16;

/**
 * A gray picture of floats in one strip, uncompressed.
 *
 * @throws InputError beyond 4 GB
 * Source: TIFF 6.0, sections 2, 4 and 19
 */
export async function writeDepthTiff(path: string, depth: Floats): Promise<void> {
  const { width, height } = depth.size;
  const bytes = width * height * 4;
  if (bytes > MOST_BYTES) {
    throw new InputError(`${path}: ${width}x${height} is more than a TIFF holds; use .safetensors`);
  }
  const [short, long] = [3, 4];
  const entries = [
    [256, long, width],
    [257, long, height],
    [258, short, 32], // bits
    [259, short, 1], // not compressed
    [262, short, 1], // 0 is black
    [273, long, 0], // where the values begin, below
    [277, short, 1], // channels
    [278, long, height], // rows of the strip
    [279, long, bytes],
    [339, short, 3], // floats
  ] as const;
  const start = Buffer.alloc(8 + 2 + entries.length * 12 + 4 + 2); // to a multiple of 4
  start.write('II*\0', 'latin1');
  start.writeUInt32LE(8, 4);
  start.writeUInt16LE(entries.length, 8);
  entries.forEach(([tag, type, value], i) => {
    const at = 10 + i * 12;
    start.writeUInt16LE(tag, at);
    start.writeUInt16LE(type, at + 2);
    start.writeUInt32LE(1, at + 4);
    start.writeUInt32LE(tag === 273 ? start.length : value, at + 8);
  });
  await writeParts(path, start, depth);
}

/** The values in the processor's byte order, which is little-endian wherever LibTorch runs. */
async function writeParts(path: string, start: Buffer, { frames }: Floats): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.appendFile(start);
    for await (const frame of frames()) await file.appendFile(new Uint8Array(frame.buffer));
  } finally {
    await file.close();
  }
}
