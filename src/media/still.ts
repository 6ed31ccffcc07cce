/**
 * Still pictures to 8-bit sRGB through sharp: upright, alpha composited, whatever they hold
 * (16 bits, palette, grey, CMYK).
 */
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { InputError } from '../errors.js';
import type { Media, ReadImageOptions } from './frames.js';

/** White, as on paper. */
export const BACKGROUND: [number, number, number] = [255, 255, 255];

/** @throws InputError if the file is damaged, even if a part of it could be shown */
export async function readStill(
  path: string,
  { background = BACKGROUND }: ReadImageOptions,
): Promise<Media> {
  try {
    // the bytes, not the path: libvips caches by name and would miss a change. autoOrient is the
    // EXIF orientation; embedded profiles and CMYK become sRGB
    const { data, info } = await sharp(await readFile(path), { failOn: 'warning' })
      .autoOrient()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    const pixels = composite(data, channels, background);
    return { path, kind: 'image', fps: null, notes: [], width, height, numFrames: 1, ...pixels };
  } catch (cause) {
    throw damaged(path, cause);
  }
}

/** 1 to 4 interleaved channels to RGB over `background`, and the opacity apart. */
export function composite(
  bytes: Uint8Array,
  channels: number,
  background: [number, number, number],
): { data: Uint8Array; alpha: Uint8Array | null } {
  if (channels === 3) {
    return { data: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), alpha: null };
  }
  const count = bytes.length / channels;
  const hasAlpha = channels === 2 || channels === 4;
  const data = new Uint8Array(count * 3);
  const alpha = hasAlpha ? new Uint8Array(count) : null;
  for (let i = 0; i < count; i++) {
    const opacity = hasAlpha ? bytes[i * channels + channels - 1]! : 255;
    for (let c = 0; c < 3; c++) {
      const value = bytes[i * channels + (channels > 2 ? c : 0)]!;
      data[i * 3 + c] = (value * opacity + background[c]! * (255 - opacity) + 127) / 255;
    }
    if (alpha !== null) {
      alpha[i] = opacity;
    }
  }
  return { data, alpha: alpha?.every((a) => a === 255) ? null : alpha };
}

/** The sentence for a picture file that sharp refuses. */
export function damaged(path: string, cause: unknown): InputError {
  const reason = (cause as Error).message.split('\n')[0]!.replace(`${path}: `, '');
  return new InputError(
    `${path}: cannot be decoded as a picture (${reason}); it may be damaged or of a rare kind, give another copy or convert it to PNG`,
    { cause },
  );
}
