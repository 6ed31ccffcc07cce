/** One picture from any file that has one. */
import { InputError } from '../../errors.js';
import type { Media, ReadImageOptions } from '../frames.js';
import { readAnimation } from './animation.js';
import { sniff } from './sniff.js';
import { readStill } from './still.js';
import { readVideo } from './video.js';

/**
 * Reads one picture; of a clip, its first frame (`notes` says so).
 *
 * @throws InputError if the file is missing, empty, damaged, or neither picture nor video
 */
export async function readImage(path: string, options: ReadImageOptions = {}): Promise<Media> {
  const kind = await sniff(path);
  if (kind === 'folder') {
    throw new InputError(`${path}: must be a picture, got a folder; name a file in it`);
  }
  if (kind === 'still') {
    return readStill(path, options);
  }
  const media =
    kind === 'animation'
      ? await readAnimation(path, { ...options, maxFrames: 1 })
      : await readVideo(path, { maxFrames: 1, signal: options.signal });
  const notes =
    media.kind === 'video' ? [...media.notes, `${path}: a clip, its first frame is used`] : [];
  return { ...media, kind: 'image', fps: null, notes };
}
