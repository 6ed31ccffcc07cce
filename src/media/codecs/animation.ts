/**
 * Animated GIF and WebP through sharp (older ffmpeg cannot read animated WebP), animated PNG through
 * ffmpeg.
 */
import sharp from 'sharp';
import { InputError } from '../../errors.js';
import { readRegular } from '../../files/regular-file.js';
import {
  type Media,
  type ReadImageOptions,
  type ReadVideoOptions,
  sliceFrames,
} from '../frames.js';
import { expectPixels } from '../pixels/limit.js';
import { type AnimationFile, openAnimatedPng } from './animated-png.js';
import { isWholeGif } from './gif.js';
import { BACKGROUND, composite, damaged, OVER_WHITE } from './still.js';

/** Frames with a delay of at most this are shown for `USUAL_MS`, as browsers do. */
const TOO_SHORT_MS = 10;
const USUAL_MS = 100;

/**
 * Reads an animated GIF, WebP or PNG. Every frame is returned complete, even where the file stores only
 * its difference from the one before. A file with one frame is a picture.
 *
 * @throws InputError if the file is damaged, or its frames together have too many pixels
 */
export async function readAnimation(
  path: string,
  { background = BACKGROUND, ...options }: ReadVideoOptions & ReadImageOptions = {},
): Promise<Media> {
  try {
    const bytes = await readRegular(path);
    const file = await openAnimation(path, bytes);
    const { width, height, pages } = file;
    const delays = file.delays.map((ms) => (ms > TOO_SHORT_MS ? ms : USUAL_MS));
    const wanted = frameNumbers(delays, options);
    if (wanted.length === 0) {
      throw new InputError(`${path}: start must be within the clip, got ${options.start} s`);
    }
    const first = wanted[0]!;
    const last = wanted.at(-1)!;
    const numFrames = last - first + 1;
    expectPixels(path, { width, height }, numFrames);
    const { data, channels } = await file.decode(first, last, options.signal);
    options.signal?.throwIfAborted();
    const isCut = bytes.toString('latin1', 0, 3) === 'GIF' && !isWholeGif(bytes);
    const notes = isCut ? [`${path}: damaged, ${pages} frames decoded (it is cut off)`] : [];
    const all: Media = {
      path,
      kind: 'image',
      fps: null,
      notes,
      width,
      height,
      numFrames,
      ...composite(data, channels, background),
    };
    if (all.alpha && background === BACKGROUND) notes.push(`${path}: ${OVER_WHITE}`);
    if (pages === 1) {
      return all;
    }
    const totalMs = delays.reduce((sum, ms) => sum + ms, 0);
    const fps = options.fps ?? (pages * 1000) / totalMs;
    const clip = pick(
      all,
      wanted.map((i) => i - first),
    );
    notes.push(...timingNotes(path, delays, options));
    return { ...clip, kind: 'video', fps };
  } catch (cause) {
    throw cause instanceof InputError || options.signal?.aborted ? cause : damaged(path, cause);
  }
}

async function openAnimation(path: string, bytes: Buffer): Promise<AnimationFile> {
  if (bytes.toString('latin1', 1, 4) === 'PNG') return openAnimatedPng(path, bytes);
  const facts = await sharp(bytes, { limitInputPixels: false }).metadata();
  const { pages = 1, delay = [] } = facts;
  // a photo saved as WebP may be stored turned, as in other formats
  const { width, height } =
    pages === 1
      ? facts.autoOrient
      : { width: facts.width, height: facts.pageHeight ?? facts.height };
  return {
    width,
    height,
    pages,
    delays: Array.from({ length: pages }, (_, i) => delay[i] ?? USUAL_MS),
    async decode(first, last) {
      // sharp stacks the frames
      const stored = sharp(bytes, { page: first, pages: last - first + 1 });
      const { data, info } = await (pages === 1 ? stored.autoOrient() : stored)
        .toColourspace('srgb')
        .raw({ depth: 'uchar' })
        .toBuffer({ resolveWithObject: true });
      return { data, channels: info.channels };
    },
  };
}

/** The note on a variable frame rate, which becomes constant unless the caller asked for a rate. */
function timingNotes(
  path: string,
  delays: number[],
  { fps, maxFrames }: ReadVideoOptions,
): string[] {
  const [least, most] = [Math.min(...delays), Math.max(...delays)];
  // a single frame has no timing; delays in hundredths of a second round 24 fps to 40 and 50 ms
  if (fps !== undefined || maxFrames === 1 || most - least <= UNEVEN_MS) return [];
  return [
    `${path}: its frames last from ${Math.round(least)} to ${Math.round(most)} ms; all are shown equally long`,
  ];
}
const UNEVEN_MS = 10;

/**
 * Indices of the stored frames to return: all from `start`
 * on, or the ones on display at each tick of `fps`.
 */
function frameNumbers(delays: number[], options: ReadVideoOptions): number[] {
  const { start = 0, fps, maxFrames = Number.POSITIVE_INFINITY } = options;
  const pages = delays.length;
  const ends: number[] = []; // milliseconds at which each frame stops being shown
  for (const [i, delay] of delays.entries()) {
    ends.push((ends[i - 1] ?? 0) + delay);
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

/** The frames with these indices, in this order. */
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
