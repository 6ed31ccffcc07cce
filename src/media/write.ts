/**
 * Frames to files; the name's ending says what kind.
 */
import { writeFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import sharp from 'sharp';
import { InputError, JobError } from '../errors.js';
import { writeAtomically } from './atomic.js';
import { ffmpegEncoders, startFfmpeg } from './ffmpeg.js';
import { expectFrames, type Frames, sliceFrames } from './frames.js';

export const IMAGE_FORMATS = ['.png', '.jpg', '.jpeg', '.webp'] as const;
export const VIDEO_FORMATS = ['.mp4', '.webm', '.gif'] as const;

export interface WriteImageOptions {
  /** JPEG and WebP, 1..100 */
  quality?: number;
  /** stored in the file: EXIF ImageDescription */
  description?: string;
}

export interface WriteVideoOptions {
  fps: number;
  /** 0 (best) to 51, as x264 counts; VP9 takes it plus 10, which looks about the same */
  crf?: number;
  /** stored in the file as its comment; GIF has none */
  description?: string;
  signal?: AbortSignal;
}

/** What a file of this name would hold; throws InputError for other endings. */
export function outputKind(path: string): 'image' | 'video' {
  const extension = extname(path).toLowerCase();
  if ((IMAGE_FORMATS as readonly string[]).includes(extension)) {
    return 'image';
  }
  if ((VIDEO_FORMATS as readonly string[]).includes(extension)) {
    return 'video';
  }
  throw new InputError(
    `${path}: must end in ${IMAGE_FORMATS.join(', ')} (a picture) or ${VIDEO_FORMATS.join(', ')} (a clip), got "${extension}"`,
  );
}

/** Writes a picture or a clip, as the name's ending says. */
export async function writeMedia(
  path: string,
  frames: Frames,
  options: WriteVideoOptions & WriteImageOptions,
): Promise<void> {
  await (outputKind(path) === 'image' ? writeImage : writeVideo)(path, frames, options);
}

/**
 * Writes one frame as PNG, JPEG (4:4:4) or WebP.
 *
 * @throws InputError for another ending or several frames; JobError if the disk is full
 */
export async function writeImage(
  path: string,
  frames: Frames,
  { quality = 95, description }: WriteImageOptions = {},
): Promise<void> {
  expectFrames('writeImage', frames);
  if (outputKind(path) !== 'image' || frames.numFrames !== 1) {
    throw new InputError(
      `${path}: holds ${outputKind(path) === 'image' ? 'one picture' : 'a clip'}, got ${frames.numFrames} frames to write; use ${frames.numFrames === 1 ? IMAGE_FORMATS[0] : VIDEO_FORMATS[0]}`,
    );
  }
  const { width, height, data } = frames;
  const bare = sharp(data, { raw: { width, height, channels: 3 } });
  const picture = description
    ? bare.withExif({ IFD0: { ImageDescription: toAscii(description) } })
    : bare;
  const format = extname(path).toLowerCase();
  const encoded =
    format === '.png'
      ? picture.png()
      : format === '.webp'
        ? picture.webp({ quality })
        : picture.jpeg({ quality, chromaSubsampling: '4:4:4' });
  const bytes = await encoded.toBuffer();
  await writeAtomically(path, (temporary) => writeFile(temporary, bytes));
}

/**
 * Writes a clip: mp4 (H.264 where ffmpeg has libx264, else MPEG-4 part 2), webm (VP9, else VP8) or
 * GIF (without ffmpeg; its delays are whole hundredths of a second).
 *
 * Colours are BT.709, limited range, tagged so. A clip of odd width or height keeps its size: H.264
 * is then written as 4:4:4, which cannot be played everywhere; even sizes are 4:2:0.
 *
 * @throws InputError for another ending; JobError if the disk is full, ffmpeg is missing or has no
 *   encoder for the format
 */
export async function writeVideo(
  path: string,
  frames: Frames,
  { fps, crf = 18, description, signal }: WriteVideoOptions,
): Promise<void> {
  expectFrames('writeVideo', frames);
  expectVideoOptions(path, fps);
  if (extname(path).toLowerCase() === '.gif') {
    await writeGif(path, frames, fps);
    return;
  }
  await writeVideoFrames(path, frames, eachFrame(frames), { fps, crf, description, signal });
}

/**
 * As `writeVideo`, from frames that are never in memory together; mp4 and webm only.
 *
 * @param frames  each [H, W, 3] of `size`
 */
export async function writeVideoFrames(
  path: string,
  size: { width: number; height: number },
  frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { fps, crf = 18, description, signal }: WriteVideoOptions,
): Promise<void> {
  expectVideoOptions(path, fps);
  const args = await encodeArgs(path, size, { fps, crf, description });
  await writeAtomically(path, (temporary) =>
    encode(frames, [...args, `file:${resolve(temporary)}`], signal),
  );
}

function expectVideoOptions(path: string, fps: number): void {
  if (outputKind(path) !== 'video') {
    throw new InputError(`${path}: holds one picture, not a clip; use ${VIDEO_FORMATS.join(', ')}`);
  }
  if (!(fps > 0 && fps <= 1000)) {
    throw new InputError(`${path}: fps must be above 0 and at most 1000, got ${fps}`);
  }
}

/** EXIF text is ASCII; what is not is written as JSON writes it, \\u00e9. */
const toAscii = (text: string): string =>
  text.replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

async function writeGif(path: string, frames: Frames, fps: number): Promise<void> {
  const { width, height, numFrames, data } = frames;
  const raw = { width, height: height * numFrames, channels: 3 as const, pageHeight: height };
  const delay = new Array<number>(numFrames).fill(Math.max(20, Math.round(1000 / fps)));
  const bytes = await sharp(data, { raw, limitInputPixels: false })
    .gif({ delay, loop: 0 })
    .toBuffer();
  await writeAtomically(path, (temporary) => writeFile(temporary, bytes));
}

async function encodeArgs(
  path: string,
  { width, height }: { width: number; height: number },
  { fps, crf, description }: { fps: number; crf: number; description?: string },
): Promise<string[]> {
  const encoders = await ffmpegEncoders();
  const webm = extname(path).toLowerCase() === '.webm';
  const wanted = webm ? ['libvpx-vp9', 'libvpx'] : ['libx264', 'mpeg4'];
  const encoder = wanted.find((name) => encoders.has(name));
  if (encoder === undefined) {
    throw new JobError(
      `${path}: this ffmpeg has no encoder for it (${wanted.join(', ')}); install a full build of ffmpeg or write another format`,
    );
  }
  const odd = width % 2 === 1 || height % 2 === 1;
  const pixelFormat = encoder === 'libx264' && odd ? 'yuv444p' : 'yuv420p';
  const quality: Record<string, string[]> = {
    libx264: ['-crf', `${crf}`, '-preset', 'medium'],
    // 1 (best) to 31; 4 is about crf 18
    mpeg4: ['-q:v', `${Math.min(31, Math.max(1, Math.round(crf / 2) - 5))}`],
    'libvpx-vp9': ['-crf', `${crf + 10}`, '-b:v', '0', '-row-mt', '1', '-cpu-used', '2'],
    libvpx: ['-crf', `${Math.max(4, crf)}`, '-b:v', '8M'],
  };
  return [
    ...['-v', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`],
    ...['-framerate', String(fps), '-i', 'pipe:0', '-vf'],
    `scale=flags=bicubic+accurate_rnd+full_chroma_inp:out_color_matrix=bt709:out_range=tv,format=${pixelFormat}`,
    ...['-c:v', encoder, ...quality[encoder]!],
    ...['-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709'],
    ...['-color_range', 'tv'],
    ...(description ? ['-metadata', `comment=${description}`] : []),
    // the index first, so that a browser starts before it has everything
    ...(webm ? ['-f', 'webm'] : ['-movflags', '+faststart', '-f', 'mp4']),
  ];
}

/** Runs ffmpeg on frames of raw bytes. @throws Error with its words if it fails */
export async function encode(
  frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  args: string[],
  signal?: AbortSignal,
): Promise<void> {
  const { child, done } = startFfmpeg(args, { input: true, signal });
  child.stdout!.resume();
  let failure: unknown;
  // if ffmpeg leaves early, its exit code and words say why, not the broken pipe
  await pipeline(Readable.from(frames), child.stdin!).catch((error) => {
    failure = error;
  });
  const { code, stderr } = await done;
  signal?.throwIfAborted();
  if (failure !== undefined && code === 0) throw failure; // the frames could not be had
  if (code !== 0 || /no space left/i.test(stderr)) {
    throw new Error(`ffmpeg left with code ${code}: ${stderr.trim().replaceAll('\n', '; ')}`);
  }
}

function* eachFrame(frames: Frames): Generator<Uint8Array> {
  for (let i = 0; i < frames.numFrames; i++) {
    yield sliceFrames(frames, i, i + 1).data;
  }
}
