/** Gray pictures as PNG, and several of one size as animated PNG, both without loss. */
import type { Gray } from './mask-actions.js';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/**
 * @param frames   of one size; a single one becomes a plain PNG
 * @param fps      frames per second of an animation
 */
export async function encodePng(
  frames: readonly Gray[],
  fps: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { width, height } = frames[0]!;
  const chunks = [chunk('IHDR', join(uint32(width), uint32(height), [8, 0, 0, 0, 0]))];
  const animated = frames.length > 1;
  if (animated) chunks.push(chunk('acTL', join(uint32(frames.length), uint32(0))));
  let sequence = 0;
  for (const [i, frame] of frames.entries()) {
    if (animated) chunks.push(chunk('fcTL', join(uint32(sequence++), frameControl(frame, fps))));
    const pixels = await deflate(rows(frame));
    chunks.push(i === 0 ? chunk('IDAT', pixels) : chunk('fdAT', join(uint32(sequence++), pixels)));
  }
  chunks.push(chunk('IEND', new Uint8Array()));
  return join(SIGNATURE, ...chunks);
}

/** The rows of a picture, each after a byte that names its filter: none. */
function rows({ width, height, data }: Gray): Uint8Array<ArrayBuffer> {
  const filtered = new Uint8Array((width + 1) * height);
  for (let y = 0; y < height; y++) {
    filtered.set(data.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  }
  return filtered;
}

/** Size, place and duration of a frame; it replaces the one before it. */
function frameControl({ width, height }: Gray, fps: number): Uint8Array {
  const milliseconds = Math.min(0xffff, Math.max(1, Math.round(1000 / fps)));
  const delay = [milliseconds >> 8, milliseconds & 255, 1000 >> 8, 1000 & 255];
  return join(uint32(width), uint32(height), uint32(0), uint32(0), delay, [0, 0]);
}

async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const typed = join(
    [...type].map((letter) => letter.charCodeAt(0)),
    data,
  );
  return join(uint32(data.length), typed, uint32(crc32(typed)));
}

const uint32 = (value: number): number[] => [
  (value >>> 24) & 255,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];

function join(...parts: readonly ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
