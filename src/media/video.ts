/**
 * Video files to frames through an ffmpeg process: upright, square pixels, sRGB-range bytes.
 */
import { InputError, JobError } from '../errors.js';
import { readAnimation } from './animation.js';
import { firstComplaint, startFfmpeg } from './ffmpeg.js';
import type { Frames, Media, ReadVideoOptions } from './frames.js';
import { inputArgs, probeVideo, unreadable, type VideoInfo } from './probe.js';
import { sniff } from './sniff.js';

const MAX_BYTES = 2 ** 31;
/** ffmpeg's exit code after a signal, e.g. Ctrl-C. */
const STOPPED = 255;

/**
 * Reads a clip: any container and codec of the ffmpeg found, or an animated GIF or WebP.
 *
 * Rotation metadata is applied and pixels are made square (by enlarging the shorter side). Untagged
 * YUV counts as BT.709 from 720 lines on, as BT.601 below. A damaged file gives the frames that
 * decode, and says so in `notes`.
 *
 * @throws InputError if it is no video, cannot be decoded at all, or is too large for memory
 */
export async function readVideo(path: string, options: ReadVideoOptions = {}): Promise<Media> {
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
  const pictures = await collect(path, info, { ...options, notes });
  const { fullRange } = info;
  return { path, kind: 'video', fps, alpha: null, fullRange, notes, ...pictures };
}

/** What is known of a file before it is decoded. */
export function notesOf(path: string, info: VideoInfo, fps: number | null): string[] {
  return [
    ...(info.highDynamicRange
      ? [`${path}: high dynamic range, shown without tone mapping; colours will look flat`]
      : []),
    ...(fps === null ? [`${path}: does not say its frame rate`] : []),
  ];
}

/** One decoded picture, [H, W, 3]. */
export interface Picture {
  width: number;
  height: number;
  data: Uint8Array;
}

type Allocate = (width: number, height: number) => Uint8Array;
interface DecodeOptions extends ReadVideoOptions {
  notes: string[];
  allocate?: Allocate;
  /** scale to this, whatever the shape; goes before `maxSide` */
  size?: { width: number; height: number };
}
const newPicture: Allocate = (width, height) => new Uint8Array(width * height * 3);

/**
 * Decodes one frame at a time, as fast as they are taken; ffmpeg ends when the loop is left.
 *
 * @param notes     a sentence is added if the file is damaged
 * @param allocate  gives the memory for each picture, [H, W, 3]
 */
export async function* decodeFrames(
  path: string,
  info: VideoInfo,
  { notes, allocate = newPicture, ...options }: DecodeOptions,
): AsyncGenerator<Picture> {
  const { maxFrames, signal } = options;
  const { child, done } = startFfmpeg(decodeArgs(path, info, options), { signal });
  let numFrames = 0;
  try {
    for await (const picture of splitPictures(child.stdout!, allocate)) {
      numFrames++;
      yield picture;
      if (numFrames === maxFrames) {
        return;
      }
    }
    const { code, stderr } = await done;
    signal?.throwIfAborted();
    // what was read so far must not pass for the whole file
    if (code === STOPPED || code === null) {
      throw new JobError(`${path}: ffmpeg was stopped while it read it; run again`);
    }
    if (numFrames === 0) {
      throw noFrames(path, stderr, info, options);
    }
    const complaint = firstComplaint(stderr);
    if (complaint !== '') {
      const of = expectedFrames(info, options);
      const count = of === null ? `${numFrames}` : `${numFrames} of about ${of}`;
      notes.push(`${path}: damaged, ${count} frames decoded (${complaint})`);
    }
  } finally {
    child.kill('SIGKILL');
    child.stdout!.destroy();
  }
}

type Wanted = Omit<DecodeOptions, 'notes' | 'allocate'>;

function decodeArgs(path: string, info: VideoInfo, options: Wanted): string[] {
  const { maxFrames, fps, start, maxSide, size } = options;
  const matrix = matrixOf(info);
  // pixels made square, then the longer side brought down
  const [w, h] = ['iw*max(1,sar)', 'ih/min(1,sar)'];
  const factor = maxSide === undefined ? '1' : `min(1,${maxSide}/max(${w},${h}))`;
  const filters = [
    ...(fps === undefined ? [] : [`fps=${fps}`]),
    // without accurate_rnd and full_chroma_int swscale is up to 3/255 off and takes the nearest
    // chroma sample (measured: 46.2 instead of 41.6 dB over a 4:2:0 round trip)
    (size
      ? `scale=w=${size.width}:h=${size.height}`
      : `scale=w='max(1,round(${w}*${factor}))':h='max(1,round(${h}*${factor}))'`) +
      `:flags=bicubic+accurate_rnd+full_chroma_int${matrix === null ? '' : `:in_color_matrix=${matrix}`}`,
    // through planar RGB: swscale's direct way to rgb24 takes twice the time (measured), same bytes
    'format=gbrp',
    'scale',
    'format=rgb24',
    // even time stamps at the output's rate: each frame comes out exactly once, whatever the file's
    // timing (the option for that is not the same in all versions). 100 s apart: newer versions
    // repeat the last frame for as long as it lasts in the file
    'settb=100',
    'setpts=N',
  ];
  return [
    ...['-nostdin', '-v', 'error'],
    ...(start === undefined ? [] : ['-ss', String(start)]),
    ...inputArgs(path),
    // V: not cover art
    ...['-map', '0:V:0', '-vf', filters.join(','), '-r', '0.01'],
    ...(maxFrames === undefined ? [] : ['-frames:v', String(maxFrames)]),
    // PPM: each picture brings its size along, after rotation and scaling
    ...['-f', 'image2pipe', '-c:v', 'ppm', 'pipe:1'],
  ];
}

/** What swscale must be told: null where it goes by the file's own tag. */
function matrixOf({ pixelFormat, colorMatrix, height }: VideoInfo): string | null {
  if (colorMatrix !== null || !/^(yuv|nv|p01)/.test(pixelFormat)) {
    return null;
  }
  return height >= 720 ? 'bt709' : 'bt601';
}

/** Cuts a stream of binary PPM files ("P6\n320 180\n255\n", then the bytes) into pictures. */
async function* splitPictures(
  stream: NodeJS.ReadableStream,
  allocate: Allocate,
): AsyncGenerator<Picture> {
  let header = Buffer.alloc(0);
  let picture: Picture | null = null;
  let filled = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    let chunk = part;
    while (chunk.length > 0) {
      if (picture === null) {
        header = Buffer.concat([header, chunk]);
        const match = /^P6\s(\d+)\s(\d+)\s255\s/.exec(header.toString('latin1', 0, 64));
        if (match === null) {
          if (header.length >= 64) {
            throw new JobError('ffmpeg: its output is no sequence of PPM pictures');
          }
          break;
        }
        const [width, height] = [Number(match[1]), Number(match[2])];
        picture = { width, height, data: allocate(width, height) };
        chunk = header.subarray(match[0].length);
        header = Buffer.alloc(0);
        filled = 0;
      }
      const take = Math.min(chunk.length, picture.data.length - filled);
      picture.data.set(chunk.subarray(0, take), filled);
      filled += take;
      chunk = chunk.subarray(take);
      if (filled === picture.data.length) {
        yield picture;
        picture = null;
      }
    }
  }
}

/** All pictures in one block of memory, which they are decoded into. */
async function collect(
  path: string,
  info: VideoInfo,
  { maxBytes = MAX_BYTES, ...options }: DecodeOptions,
): Promise<Frames> {
  let block = new Uint8Array(0);
  let [width, height, numFrames] = [0, 0, 0];
  const allocate: Allocate = (w, h) => {
    [width, height] = [w, h];
    const start = numFrames * w * h * 3;
    const end = start + w * h * 3;
    if (end > maxBytes) {
      const limit = `${Math.round(maxBytes / 2 ** 20)} MB`;
      throw new InputError(
        `${path}: takes more than ${limit} when decoded (${w}x${h}); read fewer frames or shrink it first`,
      );
    }
    if (end > block.length) {
      // the file's own count first, then half as much again
      const guess = Math.max(expectedFrames(info, options) ?? 0, Math.ceil(numFrames * 1.5), 1);
      const larger = new Uint8Array(Math.max(end, Math.min(guess * w * h * 3, maxBytes)));
      larger.set(block.subarray(0, start));
      block = larger;
    }
    return block.subarray(start, end);
  };
  for await (const _ of decodeFrames(path, info, { ...options, allocate })) {
    numFrames++;
  }
  const used = width * height * 3 * numFrames;
  const data = used === block.length ? block : block.slice(0, used);
  return { width, height, numFrames, data };
}

/** By the file's own word; null if it says too little. */
export function expectedFrames(info: VideoInfo, options: ReadVideoOptions): number | null {
  const { maxFrames, start = 0 } = options;
  const fps = options.fps ?? info.fps;
  if (info.durationSeconds === null || fps === null) {
    return null;
  }
  const count = Math.round((info.durationSeconds - start) * fps);
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
  if (fps !== undefined && !(fps > 0 && fps <= 1000)) {
    throw new InputError(`${path}: fps must be above 0 and at most 1000, got ${fps}`);
  }
  if (start !== undefined && !(start >= 0 && Number.isFinite(start))) {
    throw new InputError(`${path}: start must be 0 seconds or later, got ${start}`);
  }
}
