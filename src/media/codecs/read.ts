/**
 * Reads any picture, clip or folder of pictures, recognised by content.
 */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../../errors.js';
import type {
  Frames,
  Media,
  MediaSource,
  ReadImageOptions,
  ReadVideoOptions,
  Size,
} from '../frames.js';
import { readAnimation } from './animation.js';
import { inCountingOrder } from './counting-order.js';
import { UnreadKindError } from './kinds.js';
import { sniff } from './sniff.js';
import { readStill } from './still.js';
import { MAX_BYTES, readVideo, tooLarge } from './video.js';

/** Default frame rate of a folder of pictures: that of film. */
export const FOLDER_FPS = 24;

/**
 * Reads whatever is at a path: a picture, a clip, or a folder whose pictures are the frames of a
 * clip, in the natural order of their names (2 before 10). Media that has been read before is
 * returned unchanged.
 *
 * @throws InputError in one sentence for anything that cannot be read
 */
export async function readMedia(
  path: MediaSource,
  options: ReadVideoOptions & ReadImageOptions = {},
): Promise<Media> {
  if (typeof path !== 'string') return path;
  switch (await sniff(path)) {
    case 'still':
      return readStill(path, options);
    case 'animation':
      return readAnimation(path, options);
    case 'folder':
      return readFolder(path, options);
    default:
      return readVideo(path, options);
  }
}

async function readFolder(
  path: string,
  options: ReadVideoOptions & ReadImageOptions,
): Promise<Media> {
  const { fps = FOLDER_FPS } = options;
  const frames: Media[] = [];
  const notes: string[] = [];
  const paths = await folderFrames(path, { ...options, notes });
  for await (const frame of folderPictures(paths, { ...options, notes })) {
    const { width, height, data } = frame;
    if ((frames.length + 1) * data.length > MAX_BYTES)
      throw tooLarge(path, width, height, MAX_BYTES);
    frames.push(frame);
  }
  const { width, height } = frames[0]!;
  const alpha = frames.some((frame) => frame.alpha !== null)
    ? join8(frames.map((frame) => frame.alpha ?? new Uint8Array(width * height).fill(255)))
    : null;
  const data = join8(frames.map((frame) => frame.data));
  return {
    path,
    kind: 'video',
    fps,
    alpha,
    notes,
    width,
    height,
    numFrames: frames.length,
    data,
  };
}

/** Notes on the pictures of a folder are added to this list. */
interface WithNotes {
  notes: string[];
}

/**
 * Paths of the requested frames of a folder, in order.
 *
 * @throws InputError if there are none
 */
export async function folderFrames(
  path: string,
  { fps = FOLDER_FPS, start = 0, maxFrames, notes }: ReadVideoOptions & WithNotes,
): Promise<string[]> {
  const names = await pictureNames(path, notes);
  const first = Math.round(start * fps);
  const chosen = names.slice(first, maxFrames === undefined ? undefined : first + maxFrames);
  if (chosen.length === 0) {
    throw new InputError(
      names.length === 0
        ? `${path}: the folder holds no pictures; put the frames in it as PNG or JPEG`
        : `${path}: start must be within the ${names.length} pictures (${fps} a second), got ${start} s`,
    );
  }
  return chosen.map((name) => join(path, name));
}

/**
 * Reads the pictures at these paths one after another. Only the notes of the first are kept, since the
 * others are assumed to be like it.
 *
 * @throws InputError unless they all have one size
 */
export async function* folderPictures(
  paths: string[],
  { notes, ...options }: ReadImageOptions & WithNotes,
): AsyncGenerator<Media> {
  let size: Size | null = null;
  let amongLighter: boolean | null = null;
  for (const path of paths) {
    options.signal?.throwIfAborted();
    // how dark one is says nothing by itself: a clip may fade
    let picture = await readStill(path, { ...options, amongLighter: true });
    if (isBlack(picture)) {
      amongLighter ??= await hasLight(paths, options);
      if (!amongLighter) picture = await readStill(path, options);
    }
    const { width, height, ...rest } = picture;
    if (size === null) notes.push(...rest.notes);
    size ??= { width, height };
    if (width !== size.width || height !== size.height) {
      throw new InputError(
        `${path}: all frames of a clip must have one size (${size.width}x${size.height} as ${basename(paths[0]!)}), got ${width}x${height}; bring them to one size, or give the pictures one by one`,
      );
    }
    yield { width, height, ...rest };
  }
}

const isBlack = ({ data }: Frames): boolean => data.every((value) => value === 0);

/** Is any of the pictures not black? */
async function hasLight(paths: readonly string[], options: ReadImageOptions): Promise<boolean> {
  for (const path of paths) {
    options.signal?.throwIfAborted();
    if (!isBlack(await readStill(path, { ...options, amongLighter: true }))) return true;
  }
  return false;
}

/**
 * Names of the still pictures in a folder in natural order, without hidden files. Pictures of unsupported
 * formats are skipped, with a note.
 *
 * @throws InputError naming one of these if there are no others
 */
export async function pictureNames(path: string, notes: string[] = []): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true });
  const names: string[] = [];
  const unread: { name: string; reason: string }[] = [];
  for (const { name } of entries.filter((entry) => !entry.isDirectory())) {
    if (name.startsWith('.')) {
      continue;
    }
    // text files and empty files beside the frames are ignored, unless they are named like a picture
    const found = /\.(png|jpe?g|webp|tiff?|avif)$/i.test(name)
      ? 'still'
      : await pictureKind(join(path, name));
    if (found === 'still') {
      names.push(name);
    } else if (found !== null) {
      unread.push({ name, reason: found.message });
    }
  }
  if (names.length === 0 && unread.length > 0) {
    throw new InputError(unread[0]!.reason);
  }
  if (unread.length > 0) {
    const { name, reason } = unread.sort((a, b) => (a.name < b.name ? -1 : 1))[0]!;
    const others = unread.length > 1 ? ` and ${unread.length - 1} more files` : '';
    const why = reason.replace(`${join(path, name)}: `, '').split(';')[0];
    notes.push(
      `${path}: ${name} ${why}; ${others === '' ? 'it is' : `it${others} are`} passed over`,
    );
  }
  return inCountingOrder(names);
}

/** The error if the file has a known but unsupported format; null if it is not a picture. */
async function pictureKind(path: string): Promise<'still' | UnreadKindError | null> {
  try {
    return (await sniff(path)) === 'still' ? 'still' : null;
  } catch (cause) {
    if (cause instanceof UnreadKindError) return cause;
    if (cause instanceof InputError) return null;
    throw cause;
  }
}

function join8(parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
