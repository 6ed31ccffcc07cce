/**
 * Reads clips in chunks, so that a long one need not fit in memory.
 */
import { InputError } from '../../errors.js';
import { probeVideo } from '../ffmpeg/probe.js';
import {
  type Frames,
  type MediaSource,
  type ReadImageOptions,
  type ReadVideoOptions,
  type Size,
  sliceFrames,
  sourceName,
} from '../frames.js';
import { readAnimation } from './animation.js';
import { FOLDER_FPS, folderFrames, folderPictures } from './read.js';
import { sniff } from './sniff.js';
import { readStill } from './still.js';
import { variesInRate, variesNote } from './variable-rate.js';
import { decodeFrames, expectedFrames, expectOptions, notesOf, type Picture } from './video.js';

export type OpenClipOptions = Omit<ReadVideoOptions, 'maxBytes'> & ReadImageOptions;

export interface ClipReader extends Size {
  path: string;
  kind: 'image' | 'video';
  /** frames per second; null for a picture, or if the file does not state it */
  fps: number | null;
  /** for a video file its own claim, which may be slightly off; null if it makes none */
  numFrames: number | null;
  /** as in `Media` */
  fullRange: boolean;
  /** as in `Media` */
  variableRate?: boolean;
  hasAudio: boolean;
  /** as in `Media`; a note about damage is added when the damage is reached */
  notes: string[];
  /** The next `count` frames, fewer only at the end of the clip; null after it. One call at a time. */
  read(count: number): Promise<Frames | null>;
  /** Stops ffmpeg; may be called at any time. */
  close(): Promise<void>;
}

/**
 * Opens a clip of any kind that `readMedia` reads. A video file or a folder is decoded only as far
 * as it is read, and only the requested frames are in memory; an animation, or media that has been
 * read before, is held in memory as a whole.
 *
 * @throws InputError as `readMedia` does: here for the first frame, from `read` for later ones
 */
export async function openClip(
  source: MediaSource,
  options: OpenClipOptions = {},
): Promise<ClipReader> {
  const path = sourceName(source);
  expectOptions(path, options);
  const { pictures, ...facts } = await openSource(source, options);
  let next: Picture | null = (await pictures.next()).value ?? null;
  if (next === null) throw new InputError(`${path}: has no frames; give another file`);
  const { width, height } = next;

  const take = async (): Promise<Picture | null> => {
    const picture: Picture | null = next ?? (await pictures.next()).value ?? null;
    next = null;
    if (picture && (picture.width !== width || picture.height !== height)) {
      throw new InputError(
        `${path}: all frames of a clip must have one size (${width}x${height}), got ${picture.width}x${picture.height}; convert it to one size`,
      );
    }
    return picture;
  };
  const close = async () => {
    next = null;
    await pictures.return(undefined);
  };
  const read = async (count: number): Promise<Frames | null> => {
    if (!(count >= 1)) throw new InputError(`${path}: read at least one frame, got ${count}`);
    const taken: Picture[] = [];
    try {
      while (taken.length < count) {
        const picture = await take();
        if (picture === null) break;
        taken.push(picture);
      }
    } catch (cause) {
      await close();
      throw cause;
    }
    if (taken.length === 0) return null;
    const data = new Uint8Array(taken.length * width * height * 3);
    taken.forEach((picture, i) => {
      data.set(picture.data, i * width * height * 3);
    });
    return { width, height, numFrames: taken.length, data };
  };
  return { path, width, height, ...facts, read, close };
}

/** Pictures have neither a colour range nor sound. */
const SILENT = { fullRange: false, hasAudio: false };

type Source = Pick<
  ClipReader,
  'kind' | 'fps' | 'numFrames' | 'fullRange' | 'variableRate' | 'hasAudio' | 'notes'
> & {
  pictures: AsyncGenerator<Picture>;
};

async function openSource(path: MediaSource, options: OpenClipOptions): Promise<Source> {
  if (typeof path !== 'string') {
    const { kind, fps, numFrames, notes } = path;
    return { ...SILENT, kind, fps, numFrames, notes, pictures: each(path) };
  }
  switch (await sniff(path)) {
    case 'still': {
      const still = await readStill(path, options);
      const pictures = each(still);
      return { ...SILENT, kind: 'image', fps: null, numFrames: 1, notes: still.notes, pictures };
    }
    case 'animation': {
      const clip = await readAnimation(path, options);
      const { kind, fps, numFrames, notes } = clip;
      return { ...SILENT, kind, fps, numFrames, notes, pictures: each(clip) };
    }
    case 'folder': {
      const notes: string[] = [];
      const paths = await folderFrames(path, { ...options, notes });
      const { fps = FOLDER_FPS } = options;
      const pictures = folderPictures(paths, { ...options, notes });
      return { ...SILENT, kind: 'video', fps, numFrames: paths.length, notes, pictures };
    }
    default: {
      const info = await probeVideo(path, options.signal);
      const fps = options.fps ?? info.fps;
      const notes = notesOf(path, info, fps);
      const variableRate = await variesInRate(path, info, options);
      if (variableRate) notes.push(variesNote(path));
      const numFrames = expectedFrames(info, options);
      const pictures = decodeFrames(path, info, { ...options, notes });
      const { fullRange, hasAudio } = info;
      const facts = { fps, numFrames, fullRange, variableRate, hasAudio, notes };
      return { kind: 'video', ...facts, pictures };
    }
  }
}

async function* each(frames: Frames): AsyncGenerator<Picture> {
  for (let i = 0; i < frames.numFrames; i++) yield sliceFrames(frames, i, i + 1);
}
