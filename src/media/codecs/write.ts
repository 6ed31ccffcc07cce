/**
 * Writes frames to files; the extension selects the format.
 */
import { writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import sharp from 'sharp';
import { InputError } from '../../errors.js';
import { writeAtomically } from '../../files/atomic.js';
import { expectFrames, type Frames } from '../frames.js';
import { type ClipOptions, createClipWriter } from './clip-writer.js';
import { IMAGE_FORMATS, outputKind, VIDEO_FORMATS } from './formats.js';

export { IMAGE_FORMATS, outputKind, VIDEO_FORMATS } from './formats.js';

export interface WriteImageOptions {
  /** JPEG and WebP, 1..100 */
  quality?: number;
  /** stored in the file: EXIF ImageDescription */
  description?: string;
}

export type WriteVideoOptions = Omit<ClipOptions, 'width' | 'height'>;

/** Writes a picture or a clip, depending on the extension. */
export async function writeMedia(
  path: string,
  frames: Frames,
  options: WriteVideoOptions & WriteImageOptions,
): Promise<void> {
  await (outputKind(path) === 'image' ? writeImage : writeVideo)(path, frames, options);
}

/**
 * Writes one frame as PNG, JPEG (4:4:4) or WebP.
 *
 * @throws InputError for another extension or several frames; JobError if the disk is full
 */
export async function writeImage(
  path: string,
  frames: Frames,
  { quality = 95, description }: WriteImageOptions = {},
): Promise<void> {
  expectFrames('writeImage', frames);
  if (outputKind(path) !== 'image' || frames.numFrames !== 1) {
    throw new InputError(
      `${path}: holds ${outputKind(path) === 'image' ? 'one picture' : 'a clip'}, got ${frames.numFrames} frames to write; use ${frames.numFrames === 1 ? IMAGE_FORMATS[0] : VIDEO_FORMATS[0]}`,
    );
  }
  const { width, height, data } = frames;
  const bare = sharp(data, { raw: { width, height, channels: 3 } });
  const picture = description
    ? bare.withExif({ IFD0: { ImageDescription: toAscii(description) } })
    : bare;
  const format = extname(path).toLowerCase();
  const encoded =
    format === '.png'
      ? picture.png()
      : format === '.webp'
        ? picture.webp({ quality })
        : picture.jpeg({ quality, chromaSubsampling: '4:4:4' });
  const bytes = await encoded.toBuffer();
  await writeAtomically(path, (temporary) => writeFile(temporary, bytes));
}

/**
 * Writes a clip whose frames are all in memory; see `createClipWriter`, also for the errors.
 */
export async function writeVideo(
  path: string,
  frames: Frames,
  options: WriteVideoOptions,
): Promise<void> {
  expectFrames('writeVideo', frames);
  const { width, height } = frames;
  const writer = await createClipWriter(path, { ...options, width, height });
  await writer.write(frames);
  await writer.finish();
}

/** EXIF text is ASCII; other characters are escaped as in JSON, \\u00e9. */
const toAscii = (text: string): string =>
  text.replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
