/**
 * Any picture, clip or folder of pictures, told apart by content.
 */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../errors.js';
import { readAnimation } from './animation.js';
import type { Media, ReadImageOptions, ReadVideoOptions } from './frames.js';
import { sniff } from './sniff.js';
import { readStill } from './still.js';
import type { Size } from './tensors.js';
import { readVideo } from './video.js';

/** Frames a second of a folder of pictures when nothing else is said: the film's. */
export const FOLDER_FPS = 24;

/**
 * Reads whatever is at `path`: a picture, a clip, or a folder whose pictures, in the order of their
 * names (2 before 10), are the frames of a clip.
 *
 * @throws InputError in one sentence for anything that cannot be read
 */
export async function readMedia(
  path: string,
  options: ReadVideoOptions & ReadImageOptions = {},
): Promise<Media> {
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
  for await (const frame of folderPictures(await folderFrames(path, options), options)) {
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
    notes: [],
    width,
    height,
    numFrames: frames.length,
    data,
  };
}

/**
 * Paths of the pictures that are the frames wanted, in order.
 *
 * @throws InputError if there are none
 */
export async function folderFrames(
  path: string,
  { fps = FOLDER_FPS, start = 0, maxFrames }: ReadVideoOptions,
): Promise<string[]> {
  const names = await pictureNames(path);
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

/** The pictures at these paths, one after another; throws InputError unless they have one size. */
export async function* folderPictures(
  paths: string[],
  options: ReadImageOptions,
): AsyncGenerator<Media> {
  let size: Size | null = null;
  for (const path of paths) {
    options.signal?.throwIfAborted();
    const { width, height, ...rest } = await readStill(path, options);
    size ??= { width, height };
    if (width !== size.width || height !== size.height) {
      throw new InputError(
        `${path}: all frames of a clip must have one size (${size.width}x${size.height} as ${basename(paths[0]!)}), got ${width}x${height}`,
      );
    }
    yield { width, height, ...rest };
  }
}

/** Names of the still pictures in a folder, hidden files left out, in the order people count. */
export async function pictureNames(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true });
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.isDirectory() || entry.name.startsWith('.')) {
      continue;
    }
    // a text or an empty file beside the frames is no frame, unless it is named like one
    const looksLikeFrame = /\.(png|jpe?g|webp|tiff?|avif)$/i.test(entry.name);
    if (looksLikeFrame || (await isStill(join(path, entry.name)))) {
      names.push(entry.name);
    }
  }
  return names.sort(new Intl.Collator('en', { numeric: true }).compare);
}

async function isStill(path: string): Promise<boolean> {
  try {
    return (await sniff(path)) === 'still';
  } catch (cause) {
    if (cause instanceof InputError) {
      return false;
    }
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
