/** Pictures that are made from files: single frames, masks, thumbnails and sheets. */
import sharp, { type OverlayOptions } from 'sharp';
import { InputError } from '../../errors.js';
import {
  countFrames,
  type Frames,
  openClip,
  readImage,
  sniff,
  writeAtomically,
  writeImage,
} from '../../media/index.js';
import type { Sheet } from './messages.js';

/** Writes a frame, counted from 0, or from the end with -1 for the last. */
export async function drawFrame(path: string, index: number, to: string): Promise<void> {
  const place = index < 0 ? (await lengthOf(path)) + index : index;
  let found: Frames | null = null;
  if (place >= 0) {
    for await (const { frame, at } of framesOf(path)) {
      if (at < place) continue;
      found = frame;
      break;
    }
  }
  if (!found) {
    throw new InputError(`${path}: has no frame ${index}; name one that it has, such as 0 or -1`, {
      field: 'frame',
    });
  }
  await writeImage(to, found);
}

/**
 * Writes a mask that is white where a picture is transparent, as OpenAI's clients give masks; a picture
 * without transparency is a mask already.
 */
export async function drawMask(path: string, to: string): Promise<void> {
  const { width, height, alpha, data } = await readImage(path);
  const mask = alpha
    ? Uint8Array.from({ length: data.length }, (_, i) => 255 - alpha[Math.floor(i / 3)]!)
    : data;
  await writeImage(to, { width, height, numFrames: 1, data: mask });
}

/** Writes some frames of a clip into one WebP picture. */
export async function drawSheet(path: string, sheet: Sheet, to: string): Promise<void> {
  const { columns, rows, indices, width, height } = sheet;
  const cells: OverlayOptions[] = [];
  for await (const { frame, at } of framesOf(path)) {
    const place = indices.indexOf(at);
    if (place < 0) continue;
    const input = await sharp(frame.data, {
      raw: { width: frame.width, height: frame.height, channels: 3 },
    })
      .resize(width, height, { fit: 'fill' })
      .png({ compressionLevel: 1 })
      .toBuffer();
    const [left, top] = [(place % columns) * width, Math.floor(place / columns) * height];
    cells.push({ input, left, top });
    if (cells.length === indices.length) break;
  }
  await writeAtomically(to, async (temporary) => {
    await sharp({
      create: { width: columns * width, height: rows * height, channels: 3, background: '#000' },
    })
      .composite(cells)
      .webp({ quality: 85 })
      .toFile(temporary);
  });
}

/** The number of frames, for which a video file is decoded once. */
async function lengthOf(path: string): Promise<number> {
  if (['video', 'unknown'].includes(await sniff(path))) return countFrames(path);
  const clip = await openClip(path);
  await clip.close();
  return clip.numFrames!;
}

async function* framesOf(path: string): AsyncGenerator<{ frame: Frames; at: number }, void> {
  const clip = await openClip(path);
  try {
    for (let at = 0; ; at++) {
      const frame = await clip.read(1);
      if (!frame) return;
      yield { frame, at };
    }
  } finally {
    await clip.close();
  }
}
