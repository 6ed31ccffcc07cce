/**
 * Decodes video files with an ffmpeg process into upright
 * frames with square pixels, as full-range RGB bytes.
 */
import { InputError, JobError } from '../../errors.js';
import { decodeArgs, expectFilters } from '../ffmpeg/decode-args.js';
import { errorsOf, firstComplaint, STALL_MS, startFfmpeg } from '../ffmpeg/ffmpeg.js';
import { endless, probeVideo, unreadable, type VideoInfo } from '../ffmpeg/probe.js';
import type { Frames, Media, ReadImageOptions, ReadVideoOptions } from '../frames.js';
import { readAnimation } from './animation.js';
import { sniff } from './sniff.js';
import { BACKGROUND, composite, OVER_WHITE } from './still.js';
import { variesInRate, variesNote } from './variable-rate.js';

export const MAX_BYTES = 2 ** 31;
/** Frames per second. */
const MAX_FPS = 1000;
/** ffmpeg's exit code after a signal, e.g. Ctrl-C. */
const STOPPED = 255;

/**
 * Reads a clip in any container and codec that the ffmpeg
 * found supports, or an animated GIF, WebP or PNG.
 *
 * Rotation metadata is applied and pixels are made square (by stretching the squeezed side); interlaced
 * frames are deinterlaced, high dynamic range is tone-mapped, transparent parts are composited over the
 * background, and frames of another size are scaled to the size of the first. Untagged YUV counts as
 * BT.709 from 720 lines on, as BT.601 below. From a damaged file the frames that decode are returned.
 * `notes` mentions deinterlacing, tone mapping, transparency, changes of size and damage.
 *
 * @throws InputError if the file is not a video, cannot be decoded at all, or is too large for memory
 */
export async function readVideo(
  path: string,
  options: ReadVideoOptions & ReadImageOptions = {},
): Promise<Media> {
  expectOptions(path, options);
  const kind = await sniff(path);
  if (kind === 'animation') {
    return readAnimation(path, options);
  }
  if (kind === 'still' || kind === 'folder') {
    throw new InputError(`${path}: must be a video, got a ${kind === 'still' ? 'picture' : kind}`);
  }
  const info = await probeVideo(path, options.signal);
  const fps = options.fps ?? info.fps;
  const notes = notesOf(path, info, fps);
  const variableRate = await variesInRate(path, info, options);
  if (variableRate) notes.push(variesNote(path));
  const pictures = await collect(path, info, { ...options, notes });
  const { fullRange } = info;
  return { path, kind: 'video', fps, fullRange, variableRate, notes, ...pictures };
}

/**
 * Reads only the alpha channel of a video file, [F, H, W], 0..255; the colours are not kept in memory.
 *
 * @returns  null if all frames are opaque
 * @throws InputError as `readVideo` does
 */
export async function readOpacity(
  path: string,
  { signal, maxBytes = MAX_BYTES }: Pick<ReadVideoOptions, 'signal' | 'maxBytes'> = {},
): Promise<{ numFrames: number; alpha: Uint8Array } | null> {
  const info = await probeVideo(path, signal);
  if (!info.hasAlpha) return null;
  const planes: Uint8Array[] = [];
  let opaque = true;
  for await (const { width, height, alpha } of decodeFrames(path, info, { signal, notes: [] })) {
    if (alpha) opaque = false;
    if ((planes.length + 1) * width * height > maxBytes) {
      throw tooLarge(path, width, height, maxBytes);
    }
    planes.push(alpha ?? new Uint8Array(width * height).fill(255));
  }
  return opaque ? null : { numFrames: planes.length, alpha: joined(planes) };
}

/** Longer side, in pixels, of frames that are decoded merely to count them. */
const COUNTED_SIDE = 32;

/**
 * The number of frames of a video file, by decoding it once: what the file states may be the length of
 * its sound.
 *
 * @throws InputError as `readVideo` does
 */
export async function countFrames(
  path: string,
  { signal }: Pick<ReadVideoOptions, 'signal'> = {},
): Promise<number> {
  const info = await probeVideo(path, signal);
  const options = { maxSide: COUNTED_SIDE, signal, notes: [] };
  let count = 0;
  for await (const _ of decodeFrames(path, info, options)) count++;
  return count;
}

/** Notes on a file that can be given before it is decoded. */
export function notesOf(path: string, info: VideoInfo, fps: number | null): string[] {
  const { stream, numStreams, highDynamicRange, interlaced } = info;
  const facts: [boolean, string][] = [
    [highDynamicRange !== null, `high dynamic range (${highDynamicRange}), tone-mapped to SDR`],
    [interlaced, 'interlaced, so its frames are deinterlaced'],
    [numStreams > 1, `has ${numStreams} video streams; the default one (${stream}) is used`],
    [fps === null, 'does not state its frame rate'],
  ];
  return facts.flatMap(([is, text]) => (is ? [`${path}: ${text}`] : []));
}

/** @throws InputError for a frame rate that no clip can have; the caller supplies the remedy */
export function expectRate(path: string, fps: number, remedy: string): void {
  if (fps > 0 && fps <= MAX_FPS) return;
  throw new InputError(
    `${path}: claims ${Math.round(fps)} frames a second, and at most ${MAX_FPS} are supported; ${remedy}`,
  );
}

/** One decoded picture, [H, W, 3]. */
export interface Picture {
  width: number;
  height: number;
  data: Uint8Array;
  /** alpha channel [H, W], 0..255, if the clip has one; `data` is already composited */
  alpha?: Uint8Array | null;
}

type Allocate = (width: number, height: number) => Uint8Array;
export interface DecodeOptions extends ReadVideoOptions, ReadImageOptions {
  notes: string[];
  allocate?: Allocate;
  /** scale to exactly this, whatever the aspect ratio; overrides `maxSide` */
  size?: { width: number; height: number };
}
const newPicture: Allocate = (width, height) => new Uint8Array(width * height * 3);

/**
 * Decodes one frame at a time, on demand; ffmpeg is stopped when the caller leaves the loop. All frames
 * have the size of the first.
 *
 * @param notes     a note is added if the file is damaged, changes midway, or has transparent parts
 * @param allocate  returns the memory for each picture, [H, W, 3]
 */
export async function* decodeFrames(
  path: string,
  info: VideoInfo,
  { notes, allocate = newPicture, background = BACKGROUND, ...options }: DecodeOptions,
): AsyncGenerator<Picture> {
  const { maxFrames, signal } = options;
  await expectFilters(path, info);
  const args = await decodeArgs(path, info, options);
  const { child, done } = startFfmpeg(args, { signal, stallMs: STALL_MS });
  let numFrames = 0;
  let opaque = true;
  try {
    for await (const picture of splitPictures(child.stdout!, allocate, background)) {
      numFrames++;
      if (opaque && picture.alpha) {
        opaque = false;
        if (background === BACKGROUND) notes.push(`${path}: ${OVER_WHITE}`);
      }
      yield picture;
      if (numFrames === maxFrames) {
        return;
      }
    }
    const { code, stderr, stalled } = await done;
    signal?.throwIfAborted();
    if (stalled) throw endless(path);
    // the frames so far must not pass for the whole file
    if (code === STOPPED || code === null) {
      throw new JobError(`${path}: ffmpeg was stopped while it read it; run again`);
    }
    const errors = errorsOf(stderr);
    if (numFrames === 0) throw noFrames(path, errors, info, options);
    const of = expectedFrames(info, options);
    const count = of === null ? `${numFrames}` : `${numFrames} of about ${of}`;
    const complaint = firstComplaint(errors);
    if (complaint !== '') notes.push(`${path}: damaged, ${count} frames decoded (${complaint})`);
    if (changesMidway(stderr)) notes.push(`${path}: ${changeInWords(info, count)}`);
  } finally {
    child.kill('SIGKILL');
    child.stdout!.destroy();
  }
}

/** Did any frame differ from the first in size or pixel format? */
function changesMidway(log: string): boolean {
  // each time the filter graph is rebuilt for them ffmpeg logs "[graph 0 input …] … w:96 h:64 …"
  const sizes = [...log.matchAll(/^\[graph -?\d+ input .* (w:\d+ h:\d+) /gm)];
  return /Changing (video )?frame properties on the fly/.test(log) || sizes.length > 1;
}

const changeInWords = ({ isTurned, width, height }: VideoInfo, count: string): string =>
  isTurned
    ? `damaged, ${count} frames decoded (it changes its picture size midway)`
    : `changes its picture size or format midway; all frames are scaled to the size of the first, ${width}x${height}`;

/** Header of binary PPM ("P6\n320 180\n255\n"), or of PAM if there is alpha; the bytes follow it. */
const HEADER =
  /^(?:P6\s(\d+)\s(\d+)\s255\s|P7\nWIDTH (\d+)\nHEIGHT (\d+)\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n)/;
const HEADER_BYTES = 128;

/** Splits a stream of concatenated PPM or PAM files into pictures. */
async function* splitPictures(
  stream: NodeJS.ReadableStream,
  allocate: Allocate,
  background: [number, number, number],
): AsyncGenerator<Picture> {
  let header = Buffer.alloc(0);
  let picture: Picture | null = null;
  let filled = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    let chunk = part;
    while (chunk.length > 0) {
      if (picture === null) {
        header = Buffer.concat([header, chunk]);
        const match = HEADER.exec(header.toString('latin1', 0, HEADER_BYTES));
        if (match === null) {
          if (header.length >= HEADER_BYTES) {
            throw new JobError('ffmpeg: its output is not a sequence of PPM or PAM pictures');
          }
          break;
        }
        const hasAlpha = match[3] !== undefined;
        const [width, height] = [Number(match[1] ?? match[3]), Number(match[2] ?? match[4])];
        const data = hasAlpha ? new Uint8Array(width * height * 4) : allocate(width, height);
        picture = { width, height, data };
        chunk = header.subarray(match[0].length);
        header = Buffer.alloc(0);
        filled = 0;
      }
      const take = Math.min(chunk.length, picture.data.length - filled);
      picture.data.set(chunk.subarray(0, take), filled);
      filled += take;
      chunk = chunk.subarray(take);
      if (filled === picture.data.length) {
        const { width, height } = picture;
        yield filled === width * height * 3 ? picture : composited(picture);
        picture = null;
      }
    }
  }

  /** [H, W, 4] over the background. */
  function composited({ width, height, data: rgba }: Picture): Picture {
    const { data, alpha } = composite(rgba, 4, background);
    const into = allocate(width, height);
    into.set(data);
    return { width, height, data: into, alpha };
  }
}

/** Decodes all pictures directly into one block of memory. */
async function collect(
  path: string,
  info: VideoInfo,
  { maxBytes = MAX_BYTES, ...options }: DecodeOptions,
): Promise<Frames & Pick<Media, 'alpha'>> {
  let block = new Uint8Array(0);
  let [width, height, numFrames] = [0, 0, 0];
  const opacity: (Uint8Array | null)[] = [];
  const allocate: Allocate = (w, h) => {
    [width, height] = [w, h];
    const start = numFrames * w * h * 3;
    const end = start + w * h * 3;
    if (end > maxBytes) throw tooLarge(path, w, h, maxBytes);
    if (end > block.length) {
      // start with the frame count that the file claims, then grow by half
      const guess = Math.max(expectedFrames(info, options) ?? 0, Math.ceil(numFrames * 1.5), 1);
      const larger = new Uint8Array(Math.max(end, Math.min(guess * w * h * 3, maxBytes)));
      larger.set(block.subarray(0, start));
      block = larger;
    }
    return block.subarray(start, end);
  };
  for await (const { alpha = null } of decodeFrames(path, info, { ...options, allocate })) {
    if (info.hasAlpha) opacity.push(alpha);
    numFrames++;
  }
  const used = width * height * 3 * numFrames;
  const data = used === block.length ? block : block.slice(0, used);
  const plane = width * height;
  const alpha = opacity.some((one) => one !== null)
    ? joined(opacity.map((one) => one ?? new Uint8Array(plane).fill(255)))
    : null;
  return { width, height, numFrames, data, alpha };
}

export const tooLarge = (
  path: string,
  width: number,
  height: number,
  maxBytes: number,
): InputError =>
  new InputError(
    `${path}: takes more than ${Math.round(maxBytes / 2 ** 20)} MB when decoded (${width}x${height}); read fewer frames or shrink it first`,
  );

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A file that claims more frames than this (46 hours at 60 fps) is wrong. */
const MOST_FRAMES = 10_000_000;

/** Number of frames by the file's duration and frame rate; null if they are missing or implausible. */
export function expectedFrames(info: VideoInfo, options: ReadVideoOptions): number | null {
  const { maxFrames, start = 0 } = options;
  const fps = options.fps ?? info.fps;
  if (info.durationSeconds === null || fps === null) {
    return null;
  }
  const count = Math.max(1, Math.round((info.durationSeconds - start) * fps));
  if (count > MOST_FRAMES) return null;
  return Math.min(count, maxFrames ?? count);
}

function noFrames(path: string, stderr: string, info: VideoInfo, options: ReadVideoOptions) {
  const { start } = options;
  if (start !== undefined && info.durationSeconds !== null && start >= info.durationSeconds) {
    return new InputError(
      `${path}: start must be within the clip (${info.durationSeconds} s), got ${start} s`,
    );
  }
  return unreadable(path, stderr);
}

/** Throws InputError, naming the option. */
export function expectOptions(path: string, options: ReadVideoOptions): void {
  const { fps, start } = options;
  for (const name of ['maxFrames', 'maxSide'] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isInteger(value) && value > 0)) {
      throw new InputError(`${path}: ${name} must be a whole number above 0, got ${value}`);
    }
  }
  if (fps !== undefined && !(fps > 0 && fps <= MAX_FPS)) {
    throw new InputError(`${path}: fps must be above 0 and at most ${MAX_FPS}, got ${fps}`);
  }
  if (start !== undefined && !(start >= 0 && Number.isFinite(start))) {
    throw new InputError(`${path}: start must be 0 seconds or later, got ${start}`);
  }
}
