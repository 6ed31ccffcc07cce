/**
 * Writes depth as files that `readDepth` reads, frame by frame. Gray has one scale for the whole clip: the
 * farthest point is black, the nearest white.
 */
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import sharp from 'sharp';
import { InputError } from '../../errors.js';
import { openFolderAtomically, writeAtomically } from '../../files/atomic.js';
import { expectFolderPlace, expectPlace } from '../../files/output-place.js';
import { writeFailure } from '../../files/write-failure.js';
import { createClipWriter } from '../codecs/clip-writer.js';
import { encodeRaw, findFfmpeg } from '../ffmpeg/ffmpeg.js';
import type { Size } from '../frames.js';
import { turbo } from './palettes.js';
import { DepthSpool } from './spool.js';
import { type Floats, writeDepthTensor, writeDepthTiff } from './write-raw.js';

export interface DepthFileOptions {
  /** frames per second of a clip; default: 25 */
  fps?: number | null;
  /** white is far */
  invert?: boolean;
  /** the palette turbo instead of gray, for people to look at; it cannot be read back as depth */
  colour?: boolean;
  /** kills ffmpeg and removes the unfinished file */
  signal?: AbortSignal;
}

interface Format {
  /** what it holds */
  holds: 'image' | 'video' | 'either';
  /** values as estimated, without a scale of gray */
  raw?: true;
  write(spool: DepthSpool, path: string, options: EncodeOptions): Promise<void>;
}

interface EncodeOptions extends DepthFileOptions {
  onFrame: () => void;
}

/** The formats by extension; without one a clip becomes a folder of pictures. */
const FORMATS: Readonly<Record<string, Format>> = {
  '.png': { holds: 'image', write: writePng },
  '.tif': { holds: 'image', raw: true, write: inOneFile(writeDepthTiff) },
  '.tiff': { holds: 'image', raw: true, write: inOneFile(writeDepthTiff) },
  '.safetensors': { holds: 'either', raw: true, write: inOneFile(writeDepthTensor) },
  '.mkv': { holds: 'video', write: writeLossless },
  '.mp4': { holds: 'video', write: writePlayed },
  '.webm': { holds: 'video', write: writePlayed },
  '': { holds: 'video', write: writeFolder },
};

export const DEPTH_ENDINGS = Object.keys(FORMATS).filter((ending) => ending !== '');

const endingOf = (path: string): string => extname(path).toLowerCase();

/** Is a clip's depth written to this path as a folder of pictures? */
export const isDepthFolder = (path: string): boolean => endingOf(path) === '';

/** Can a file with this ending hold the depth of a picture, or of a clip? */
export function fitsDepthOf(ending: string, kind: 'image' | 'video'): boolean {
  const holds = FORMATS[ending]?.holds;
  return holds === 'either' || holds === kind;
}

/**
 * @param kind   what the depth is of
 * @throws InputError, before any work, if depth could not or must not be written to the path
 */
export function expectDepthPlace(
  path: string,
  kind: 'image' | 'video',
  { invert = false, colour = false }: DepthFileOptions = {},
): void {
  if (isDepthFolder(path)) expectFolderPlace(path);
  else expectPlace(path);
  const format = FORMATS[endingOf(path)];
  if (!format) {
    throw new InputError(
      `${path}: depth is written as ${DEPTH_ENDINGS.join(', ')}, or as a folder of PNG without an ending, got "${extname(path)}"`,
    );
  }
  if (!fitsDepthOf(endingOf(path), kind)) {
    const want =
      kind === 'image'
        ? 'a picture is given, whose depth is one too; name a .png, .tif or .safetensors'
        : 'a clip is given, whose depth is one too; name a .mkv (lossless), .mp4, .webm or .safetensors, or a folder of PNG';
    throw new InputError(`${path}: ${want}`);
  }
  if (format.raw && (invert || colour)) {
    throw new InputError(
      `${path}: holds the values as they are estimated; leave out ${invert ? '`invert`' : '`colour`'}, or name another kind of file`,
    );
  }
  if (format.holds === 'video' && !isDepthFolder(path)) findFfmpeg();
}

export interface DepthWriter {
  /** Appends frames, larger is nearer. @param depth   [F, H, W] */
  write(depth: Float32Array, size: Size): Promise<void>;
  /** What was written so far; black and white are `least` and `most`. */
  readonly written: Size & { numFrames: number; least: number; most: number };
  /** Writes the file. @param onFrame   called after each frame */
  finish(onFrame?: (done: number) => void): Promise<void>;
  /** Removes what is unfinished; a finished file stays. To be called in any case. */
  close(): Promise<void>;
}

/**
 * Starts a file of depth. The extension chooses: .png, 16 bits; .tif and .safetensors, floats as they are;
 * .mkv, 8 bits without loss; .mp4 and .webm, 8 bits; none, a folder of 16-bit PNG. As the scale of
 * gray is known only at the end, values wait in a temporary file beside it, of 4 bytes a pixel.
 *
 * @throws InputError for a path that cannot be written to; JobError if the disk is full
 */
export async function createDepthWriter(
  path: string,
  options: DepthFileOptions = {},
): Promise<DepthWriter> {
  const { write } = FORMATS[endingOf(path)]!;
  const spool = await DepthSpool.open(resolve(path));
  return {
    write: (depth, size) => spool.add(depth, size),
    get written() {
      const { size, numFrames, least, most } = spool;
      return { ...size, numFrames, least, most };
    },
    finish: async (onFrame) => {
      if (spool.numFrames === 0) throw new InputError(`${path}: has no frames of depth to write`);
      let done = 0;
      await write(spool, path, { ...options, onFrame: () => onFrame?.(++done) });
    },
    close: () => spool.close(),
  };
}

/** Frames as gray from 0 to `white`, or as 8-bit colours. */
async function* shown(
  spool: DepthSpool,
  white: 255 | 65535,
  options: EncodeOptions,
): AsyncGenerator<Uint8Array | Uint16Array> {
  const { invert, colour } = options;
  const { least, most } = spool;
  const scale = least < most ? 1 / (most - least) : 0;
  const part = (value: number) => (invert ? most - value : value - least) * scale;
  const table = colour ? turboTable() : null;
  for await (const frame of counted(spool, options)) {
    if (table) {
      const pixels = new Uint8Array(frame.length * 3);
      for (let i = 0; i < frame.length; i++) {
        const at = Math.round(part(frame[i]!) * 255) * 3;
        for (let c = 0; c < 3; c++) pixels[i * 3 + c] = table[at + c]!;
      }
      yield pixels;
    } else {
      const grays = white === 255 ? new Uint8Array(frame.length) : new Uint16Array(frame.length);
      for (let i = 0; i < frame.length; i++) grays[i] = Math.round(part(frame[i]!) * white);
      yield grays;
    }
  }
}

async function* counted(
  spool: DepthSpool,
  { signal, onFrame }: EncodeOptions,
): AsyncGenerator<Float32Array> {
  for await (const frame of spool.frames()) {
    signal?.throwIfAborted();
    yield frame;
    onFrame();
  }
}

/** The palette's 256 colours, [256, 3]. */
const turboTable = (): Uint8Array =>
  Uint8Array.from(Array.from({ length: 256 }, (_, i) => turbo(i / 255).map(Math.round)).flat());

async function writePng(spool: DepthSpool, path: string, options: EncodeOptions): Promise<void> {
  for await (const pixels of shown(spool, 65535, options)) {
    const bytes = await pngOf(pixels, spool.size);
    await writeAtomically(path, (temporary) => writeFile(temporary, bytes));
  }
}

/** A PNG of 16-bit grays, or of 8-bit colours. */
function pngOf(pixels: Uint8Array | Uint16Array, { width, height }: Size): Promise<Buffer> {
  const channels = pixels.length === width * height ? 1 : 3;
  const picture = sharp(pixels, { raw: { width, height, channels } });
  return (channels === 1 ? picture.toColourspace('grey16') : picture).png().toBuffer();
}

async function writeFolder(spool: DepthSpool, path: string, options: EncodeOptions): Promise<void> {
  const folder = await openFolderAtomically(path);
  try {
    mkdirSync(folder.temporary);
    let index = 0;
    for await (const pixels of shown(spool, 65535, options)) {
      const name = `${String(index++).padStart(6, '0')}.png`;
      await writeFile(join(folder.temporary, name), await pngOf(pixels, spool.size));
    }
    await folder.keep();
  } catch (cause) {
    await folder.discard();
    throw writeFailure(path, cause);
  }
}

/** FFV1 in Matroska, every frame on its own. */
async function writeLossless(
  spool: DepthSpool,
  path: string,
  options: EncodeOptions,
): Promise<void> {
  const { width, height } = spool.size;
  const [given, stored] = options.colour ? ['rgb24', 'bgr0'] : ['gray', 'gray'];
  const args = [
    ...['-v', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', given!, '-s', `${width}x${height}`],
    ...['-framerate', String(options.fps ?? USUAL_FPS), '-i', 'pipe:0', '-c:v', 'ffv1'],
    ...['-level', '3', '-g', '1', '-pix_fmt', stored!],
    ...['-fflags', '+bitexact', '-flags:v', '+bitexact', '-f', 'matroska'],
  ];
  const pictures = shown(spool, 255, options) as AsyncGenerator<Uint8Array>;
  await writeAtomically(path, (temporary) =>
    encodeRaw(pictures, [...args, `file:${resolve(temporary)}`], options.signal),
  );
}

/** Of a clip that does not state its frame rate. */
const USUAL_FPS = 25;

/** A clip that players show; gray in three equal channels. */
async function writePlayed(spool: DepthSpool, path: string, options: EncodeOptions): Promise<void> {
  const { size } = spool;
  const { fps, signal } = options;
  const writer = await createClipWriter(path, { ...size, fps: fps ?? USUAL_FPS, signal });
  try {
    for await (const pixels of shown(spool, 255, options)) {
      const data = options.colour ? (pixels as Uint8Array) : tripled(pixels);
      await writer.write({ ...size, numFrames: 1, data });
    }
    await writer.finish();
  } finally {
    await writer.abort();
  }
}

function tripled(grays: Uint8Array | Uint16Array): Uint8Array {
  const data = new Uint8Array(grays.length * 3);
  for (let i = 0; i < grays.length; i++) data.fill(grays[i]!, i * 3, i * 3 + 3);
  return data;
}

function inOneFile(write: (path: string, depth: Floats) => Promise<void>): Format['write'] {
  return (spool, path, options) => {
    const { size, numFrames } = spool;
    const frames = () => counted(spool, options);
    return writeAtomically(path, (temporary) => write(temporary, { size, numFrames, frames }));
  };
}
