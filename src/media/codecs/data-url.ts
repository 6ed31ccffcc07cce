/** Pictures as `data:` URLs, for services that take them inside a message. */
import sharp from 'sharp';
import type { ReadVideoOptions } from '../frames.js';
import { readMedia } from './read.js';

/**
 * A picture, or the first frame of a clip or folder, as a JPEG in a `data:` URL.
 *
 * @param maxSide   pixels; a larger picture is scaled down so that its longer side has this length
 * @throws InputError as `readMedia` does
 */
export async function pictureDataUrl(
  path: string,
  maxSide: number,
  { signal }: Pick<ReadVideoOptions, 'signal'> = {},
): Promise<string> {
  const { data, width, height } = await readMedia(path, { maxFrames: 1, signal });
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize({ width: maxSide, height: maxSide, fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality: 90 })
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString('base64')}`;
}
