/**
 * Animated GIF and WebP through sharp (older ffmpeg cannot read animated WebP).
 */
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { InputError } from '../errors.js';
import { type Media, type ReadImageOptions, type ReadVideoOptions, sliceFrames } from './frames.js';
import { BACKGROUND, composite, damaged } from './still.js';

/**
 * Reads an animated GIF or WebP, frames complete (later ones may be stored as differences).
 * With one frame it is a picture.
 *
 * @throws InputError if it is damaged
 */
export async function readAnimation(
  path: string,
  { background = BACKGROUND, ...options }: ReadVideoOptions & ReadImageOptions = {},
): Promise<Media> {
  try {
    const file = await readFile(path);
    const { pages = 1, delay = [] } = await sharp(file).metadata();
    const wanted = frameNumbers(pages, delay, options);
    if (wanted.length === 0) {
      throw new InputError(`${path}: start must be within the clip, got ${options.start} s`);
    }
    const first = wanted[0]!;
    const last = wanted.at(-1)!;
    const { data, info } = await sharp(file, { page: first, pages: last - first + 1 })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    options.signal?.throwIfAborted();
    const numFrames = last - first + 1;
    const { width, channels } = info;
    const height = info.height / numFrames; // sharp stacks the frames
    const pixels = composite(data, channels, background);
    const all: Media = {
      path,
      kind: 'image',
      fps: null,
      notes: [],
      width,
      height,
      numFrames,
      ...pixels,
    };
    if (pages === 1) {
      return all;
    }
    const totalMs = delay.reduce((sum, ms) => sum + ms, 0);
    const fps = options.fps ?? (totalMs > 0 ? (pages * 1000) / totalMs : 10);
    const clip = pick(
      all,
      wanted.map((i) => i - first),
    );
    return { ...clip, kind: 'video', fps };
  } catch (cause) {
    throw cause instanceof InputError || options.signal?.aborted ? cause : damaged(path, cause);
  }
}

/** Which stored frames to show: all from `start` on, or those on display at the ticks of `fps`. */
function frameNumbers(pages: number, delay: number[], options: ReadVideoOptions): number[] {
  const { start = 0, fps, maxFrames = Number.POSITIVE_INFINITY } = options;
  const ends: number[] = []; // milliseconds at which each frame goes
  for (let i = 0; i < pages; i++) {
    ends.push((ends[i - 1] ?? 0) + (delay[i] ?? 100));
  }
  const startMs = start * 1000;
  const numbers: number[] = [];
  if (fps === undefined) {
    for (let i = 0; i < pages && numbers.length < maxFrames; i++) {
      if (ends[i]! > startMs) {
        numbers.push(i);
      }
    }
    return numbers;
  }
  for (let tick = 0, i = 0; numbers.length < maxFrames; tick++) {
    const now = startMs + (tick * 1000) / fps;
    while (i < pages && ends[i]! <= now) {
      i++;
    }
    if (i === pages) {
      break;
    }
    numbers.push(i);
  }
  return numbers;
}

/** The frames with these numbers, in this order. */
function pick(media: Media, numbers: number[]): Media {
  const { width, height, numFrames, alpha } = media;
  if (numbers.length === numFrames) {
    return media;
  }
  const size = width * height;
  const data = new Uint8Array(numbers.length * size * 3);
  const opacity = alpha === null ? null : new Uint8Array(numbers.length * size);
  numbers.forEach((from, to) => {
    data.set(sliceFrames(media, from, from + 1).data, to * size * 3);
    opacity?.set(alpha!.subarray(from * size, (from + 1) * size), to * size);
  });
  return { ...media, numFrames: numbers.length, data, alpha: opacity };
}
