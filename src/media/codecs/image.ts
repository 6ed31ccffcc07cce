/** Reads one picture from any media file. */
import { InputError } from '../../errors.js';
import { type Media, type MediaSource, type ReadImageOptions, sliceFrames } from '../frames.js';
import { readAnimation } from './animation.js';
import { sniff } from './sniff.js';
import { readStill } from './still.js';
import { readVideo } from './video.js';

/**
 * Reads one picture: the file itself, or the first frame of a clip (which is noted in `notes`).
 *
 * @throws InputError if the file is missing, empty, damaged, or neither a picture nor a video
 */
export async function readImage(
  source: MediaSource,
  options: ReadImageOptions = {},
): Promise<Media> {
  if (typeof source !== 'string') return firstFrame(source);
  const path = source;
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
  return firstFrame(media);
}

function firstFrame(media: Media): Media {
  if (media.kind === 'image') return media;
  const { path, width, height, alpha } = media;
  return {
    ...media,
    ...sliceFrames(media, 0, 1),
    kind: 'image',
    fps: null,
    alpha: alpha?.subarray(0, width * height) ?? null,
    notes: [...media.notes, `${path}: a clip, its first frame is used`],
  };
}
