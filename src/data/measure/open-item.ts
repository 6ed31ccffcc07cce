/**
 * Opens pictures and clips for measuring: small frames one
 * after another, and a few frames at full size.
 */
import { InputError } from '../../errors.js';
import { readAnimation } from '../../media/codecs/animation.js';
import { readImage } from '../../media/codecs/image.js';
import { readMedia } from '../../media/codecs/read.js';
import { sniff } from '../../media/codecs/sniff.js';
import { decodeFrames, notesOf, type Picture } from '../../media/codecs/video.js';
import { probeVideo, type VideoInfo } from '../../media/ffmpeg/probe.js';
import { type Frames, type Media, type Size, sliceFrames } from '../../media/frames.js';
import { resample } from '../../media/pixels/resample.js';
import type { DataItem } from '../sources/items.js';
import { fileKind } from '../sources/kinds.js';

export interface OpenedClip {
  kind: 'clip';
  /** frames per second; null if the file does not state it */
  fps: number | null;
  /** when its first frame is shown, in seconds from the file's beginning on */
  beginSeconds: number;
  /** all frames, reduced to a longer side of at most `scale` pixels or scaled to a size; call it once */
  frames(scale: number | Size): AsyncIterable<Picture>;
  /** the frame with this index at full size; null if it cannot be decoded */
  fullFrame(number: number): Promise<Picture | null>;
  /** notes on the file, complete once `frames` has been read */
  notes: string[];
}

export interface OpenedImage {
  kind: 'image';
  picture: Picture;
  notes: string[];
}

/** @throws InputError in one sentence if the file cannot be read, or is not of the stated kind */
export async function openMedia(
  path: string,
  kind: DataItem['kind'],
  part: DataItem['part'] = {},
): Promise<OpenedImage | OpenedClip> {
  if (kind === 'image') return ofPicture(await readImage(path));
  let found = await sniff(path);
  // ffmpeg reads more picture formats than can be recognised by their first bytes
  if (found === 'unknown' && fileKind(path) === 'image') found = 'still';
  if (found === 'still') {
    if (kind === 'either') return ofPicture(await readPicture(path));
    throw new InputError(`${path}: must be a clip, got a picture; name it as "image"`);
  }
  const options = { ...part, maxFrames: part.frames };
  if (found === 'folder') return ofMedia(await readMedia(path, options));
  if (found === 'animation') {
    const media = await readAnimation(path, options);
    if (media.kind === 'image' && kind === 'either') return ofPicture(media);
    return ofMedia(media);
  }
  return ofVideo(path, await probeVideo(path), options);
}

/** Reads a file that is a picture by its name, without the note that ffmpeg found a clip. */
async function readPicture(path: string): Promise<Media> {
  const picture = await readImage(path);
  return { ...picture, notes: picture.notes.filter((note) => !note.endsWith(FIRST_FRAME)) };
}

const FIRST_FRAME = 'a clip, its first frame is used';

const ofPicture = (media: Media): OpenedImage => ({
  kind: 'image',
  picture: media,
  notes: media.notes,
});

/** A picture or clip that is in memory, as if it were a file's. */
export function openFrames(frames: Frames): OpenedImage | OpenedClip {
  if (frames.numFrames === 1) return { kind: 'image', picture: frames, notes: [] };
  return ofMedia({ ...frames, fps: null, notes: [] });
}

function ofMedia(media: Frames & Pick<Media, 'fps' | 'notes'>): OpenedClip {
  const { width, height, numFrames, fps, notes } = media;
  const frame = (i: number): Picture => sliceFrames(media, i, i + 1);
  return {
    kind: 'clip',
    fps,
    beginSeconds: 0,
    notes,
    async *frames(scale) {
      const size = typeof scale === 'number' ? fitted({ width, height }, scale) : scale;
      for (let i = 0; i < numFrames; i++) {
        const layout = { count: 1, height, width, channels: 3 };
        yield { ...size, data: resample(frame(i).data, layout, size, 'box') };
      }
    },
    fullFrame: async (i) => frame(i),
  };
}

function ofVideo(
  path: string,
  info: VideoInfo,
  options: { start?: number; fps?: number; maxFrames?: number },
): OpenedClip {
  const fps = options.fps ?? info.fps;
  const notes = notesOf(path, info, fps);
  const beginSeconds = Math.max(options.start ?? 0, info.firstSeconds);
  return {
    kind: 'clip',
    fps,
    beginSeconds,
    notes,
    frames: (scale) =>
      decodeFrames(path, info, {
        ...options,
        ...(typeof scale === 'number' ? { maxSide: scale } : { size: scale }),
        notes,
      }),
    async fullFrame(number) {
      // seeks by time: exact for a constant frame rate, close enough for a variable one
      const start = beginSeconds + number / (fps ?? 25);
      try {
        for await (const picture of decodeFrames(path, info, { start, maxFrames: 1, notes: [] })) {
          return picture;
        }
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
      }
      return null;
    },
  };
}

function fitted({ width, height }: Size, side: number): Size {
  const factor = Math.min(1, side / Math.max(width, height));
  return {
    width: Math.max(1, Math.round(width * factor)),
    height: Math.max(1, Math.round(height * factor)),
  };
}
