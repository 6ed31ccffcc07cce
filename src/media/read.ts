/**
 * Any picture, clip or folder of pictures, told apart by content.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { readAnimation } from './animation.js';
import type { Media, ReadImageOptions, ReadVideoOptions } from './frames.js';
import { sniff } from './sniff.js';
import { readStill } from './still.js';
import { readVideo } from './video.js';

/** Frames a second of a folder of pictures when nothing else is said: the film's. */
const FOLDER_FPS = 24;

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
  const { fps = FOLDER_FPS, start = 0, maxFrames, signal } = options;
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
  const frames: Media[] = [];
  for (const name of chosen) {
    signal?.throwIfAborted();
    const frame = await readStill(join(path, name), options);
    const { width, height } = frames[0] ?? frame;
    if (frame.width !== width || frame.height !== height) {
      throw new InputError(
        `${frame.path}: all frames of a clip must have one size (${width}x${height} as ${chosen[0]}), got ${frame.width}x${frame.height}`,
      );
    }
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
