/**
 * Decodes still pictures to 8-bit sRGB, upright and with alpha composited, from 16 bits, floats in 0..1,
 * palettes, gray or CMYK. A file whose values could not be shown as intended is refused in one sentence.
 */
import sharp, { type Metadata, type Sharp } from 'sharp';
import { InputError } from '../../errors.js';
import { readRegular, unreadable } from '../../files/regular-file.js';
import type { Media, ReadImageOptions } from '../frames.js';
import { expectPixels } from '../pixels/limit.js';
import { toPng } from './converted.js';
import {
  convertedKind,
  expectReadKind,
  HEAD_BYTES,
  highDynamicRange,
  isAnimatedPng,
} from './kinds.js';
import { tiffFacts } from './tiff.js';

/** White, as on paper. */
export const BACKGROUND: [number, number, number] = [255, 255, 255];

/** The note on transparent parts; a mask is read over black, where transparent means the same as dark. */
export const OVER_WHITE =
  'its transparent parts are shown over white; results have no transparency';

/** Floats may exceed 0..1 by this much, as resizing leaves them at edges; they are clipped. */
const OVERSHOOT = 0.05;
/**
 * A 16-bit picture without a value from here on (of 65535) is
 * noted as dark: perhaps it holds 12 bits.
 */
const DARK = 4096;

/** A picture file whose pixels are not decoded yet. */
export interface OpenStill {
  path: string;
  facts: Metadata;
  notes: string[];
  /** the file holds 32-bit floats */
  isFloat: boolean;
  /** decodes upright, with the colours as stored */
  decoder(): Sharp;
  /** the same, set up to convert to sRGB by the embedded colour profile */
  inSrgb(): Sharp;
}

/** @throws InputError if the file is damaged, even if part of it could be decoded */
export async function readStill(path: string, options: ReadImageOptions = {}): Promise<Media> {
  const still = await openStill(path, options);
  const { background = BACKGROUND } = options;
  const { data, width, height, channels } = still.isFloat
    ? await floatsAsBytes(still)
    : await bytesOf(still, options);
  const { notes } = still;
  const pixels = composite(data, channels, background);
  if (pixels.alpha && background === BACKGROUND) notes.push(`${path}: ${OVER_WHITE}`);
  return { path, kind: 'image', fps: null, notes, width, height, numFrames: 1, ...pixels };
}

/** @throws InputError if the file is damaged, unsupported, or could not be shown as intended */
export async function openStill(
  path: string,
  { signal }: ReadImageOptions = {},
): Promise<OpenStill> {
  // sharp gets the bytes, not the path: libvips caches by name and would miss a change
  const file = await readRegular(path).catch((cause) => {
    throw unreadable(path, cause);
  });
  const head = file.subarray(0, HEAD_BYTES);
  expectReadKind(path, head);
  const range = highDynamicRange(head);
  if (range !== null) {
    throw new InputError(
      `${path}: has a high dynamic range (${range}), which is not read; convert it to sRGB`,
    );
  }
  const kind = convertedKind(head);
  const bytes = kind === null ? file : await toPng(path, kind, file, signal);
  const facts = await factsOf(path, bytes);
  expectPixels(path, facts);
  const tiff = facts.format === 'tiff' ? tiffFacts(path, bytes) : null;
  const notes: string[] = [];
  if (isAnimatedPng(head) || ((facts.pages ?? 1) > 1 && facts.format !== 'tiff')) {
    notes.push(`${path}: holds several frames, the first one is read`);
  }
  if (tiff && tiff.pages > 1) {
    notes.push(`${path}: holds ${tiff.pages} pictures, the first one is read`);
  }
  if (tiff?.hasUnnamedSample) {
    notes.push(`${path}: its last channel is not marked as opacity, and is left out`);
  } else if (facts.channels > 4) {
    throw new InputError(
      `${path}: has ${facts.channels} channels, a picture has up to 4; convert it to RGB`,
    );
  }
  const isFloat = facts.depth === 'float' || facts.depth === 'double';
  if (isFloat && facts.hasProfile) {
    throw new InputError(
      `${path}: holds 32-bit floats with a colour profile, which are not read; convert it to 8 or 16 bits`,
    );
  }
  const decoder = () => {
    // autoOrient applies the EXIF orientation
    const upright = sharp(bytes, { failOn: 'warning' }).autoOrient();
    return tiff?.hasUnnamedSample ? upright.removeAlpha() : upright;
  };
  // embedded profiles and CMYK are converted to sRGB; unless sRGB is named as the output profile, 16-bit
  // RGB comes out in the wide-gamut space that the conversion passes through
  const inSrgb = () =>
    facts.hasProfile && facts.space === 'rgb16' ? decoder().withIccProfile('srgb') : decoder();
  return { path, facts, notes, isFloat, decoder, inSrgb };
}

async function factsOf(path: string, bytes: Buffer): Promise<Metadata> {
  try {
    return await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (cause) {
    // for TIFF, name the unsupported kind of sample if that is the reason
    if (isTiff(bytes)) tiffFacts(path, bytes);
    throw damaged(path, cause);
  }
}

interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
  /** interleaved */
  channels: number;
}

async function bytesOf(
  still: OpenStill,
  { lowBits = false, amongLighter = false }: ReadImageOptions,
): Promise<Pixels> {
  const { path, facts, notes } = still;
  const { data, info } = await decoded(path, still.inSrgb().toColourspace('srgb'), 'uchar');
  const pixels = { data, width: info.width, height: info.height, channels: info.channels };
  if (facts.depth !== 'ushort' || amongLighter) return pixels;
  if (lightestOf(data, info.channels) >= DARK / 256) return pixels;
  // so dark that the values may use fewer bits
  const deep = await decoded(path, still.inSrgb().toColourspace('rgb16'), 'ushort');
  const values = new Uint16Array(deep.data.buffer, deep.data.byteOffset, deep.data.length / 2);
  const lightest = lightestOf(values, deep.info.channels);
  if (lightest === 0) return pixels;
  if (lightest < 256 && lowBits) {
    const { channels } = deep.info;
    const hasAlpha = channels % 2 === 0;
    const low = Uint8Array.from(values, (value, i) =>
      hasAlpha && i % channels === channels - 1 ? value >> 8 : value,
    );
    return { ...pixels, data: low, channels };
  }
  if (lightest < 256) {
    throw new InputError(
      `${path}: is black, its lightest value is ${lightest} of 65535; scale its values up to 65535, or save it in 8 bits`,
    );
  }
  notes.push(
    `${path}: its lightest value is ${lightest} of 65535, so it is dark; scale its values up to 65535 if it is meant to be lighter`,
  );
  return pixels;
}

/**
 * Maps floats linearly, 0 to black and 1 to white, without a
 * transfer curve, as float-based tools save them.
 */
async function floatsAsBytes(still: OpenStill): Promise<Pixels> {
  const { data, ...size } = await floatsOf(still);
  const { path, notes } = still;
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of data) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (least < -OVERSHOOT || most > 1 + OVERSHOOT) {
    const [from, to] = [least, most].map((value) => Number(value.toPrecision(4)));
    throw new InputError(
      `${path}: holds 32-bit floats from ${from} to ${to}, but only 0 (black) to 1 (white) is read; scale them to that range, or convert it to 8 or 16 bits`,
    );
  }
  notes.push(`${path}: holds 32-bit floats; 0 is read as black, 1 as white`);
  const bytes = Uint8Array.from(data, (value) => Math.round(Math.min(1, Math.max(0, value)) * 255));
  return { ...size, data: bytes };
}

/**
 * The values of a picture of floats, unchanged.
 *
 * @throws InputError if one of them is NaN or infinite, or they are neither gray nor RGB
 */
export async function floatsOf(
  still: OpenStill,
): Promise<{ data: Float32Array; width: number; height: number; channels: number }> {
  const { path, facts } = still;
  const space = facts.space === 'b-w' ? 'b-w' : 'scrgb';
  if (facts.space !== space) {
    throw new InputError(
      `${path}: holds 32-bit floats that are neither grays nor RGB; convert it to RGB in 8 or 16 bits`,
    );
  }
  const raw = still.decoder().pipelineColourspace(space).toColourspace(space);
  const { data, info } = await decoded(path, raw, 'float');
  const values = new Float32Array(data.buffer, data.byteOffset, data.length / 4);
  const holes = values.reduce((count, value) => count + (Number.isFinite(value) ? 0 : 1), 0);
  if (holes > 0) {
    throw new InputError(
      `${path}: ${holes} of its ${values.length} 32-bit floats are not numbers (NaN or infinite); fill them, or convert it to 8 or 16 bits`,
    );
  }
  return { data: values, width: info.width, height: info.height, channels: info.channels };
}

/** Raw pixels. @throws InputError if the file is damaged */
export async function decoded(path: string, picture: Sharp, depth: 'uchar' | 'ushort' | 'float') {
  try {
    return await picture.raw({ depth }).toBuffer({ resolveWithObject: true });
  } catch (cause) {
    throw damaged(path, cause);
  }
}

/** The largest value of the colour channels; if the number of channels is even, the last is alpha. */
function lightestOf(values: Uint8Array | Uint16Array, channels: number): number {
  const hasAlpha = channels % 2 === 0;
  let lightest = 0;
  for (let i = 0; i < values.length; i++) {
    if (hasAlpha && i % channels === channels - 1) continue;
    if (values[i]! > lightest) lightest = values[i]!;
  }
  return lightest;
}

/**
 * Composites 1 to 4 interleaved channels over `background`.
 *
 * @returns  RGB, and the alpha channel, which is null if everything is opaque
 */
export function composite(
  bytes: Uint8Array,
  channels: number,
  background: [number, number, number],
): { data: Uint8Array; alpha: Uint8Array | null } {
  if (channels === 3) {
    return { data: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), alpha: null };
  }
  const count = bytes.length / channels;
  const hasAlpha = channels === 2 || channels === 4;
  const data = new Uint8Array(count * 3);
  const alpha = hasAlpha ? new Uint8Array(count) : null;
  for (let i = 0; i < count; i++) {
    const opacity = hasAlpha ? bytes[i * channels + channels - 1]! : 255;
    for (let c = 0; c < 3; c++) {
      const value = bytes[i * channels + (channels > 2 ? c : 0)]!;
      data[i * 3 + c] = (value * opacity + background[c]! * (255 - opacity) + 127) / 255;
    }
    if (alpha !== null) {
      alpha[i] = opacity;
    }
  }
  return { data, alpha: alpha?.every((a) => a === 255) ? null : alpha };
}

const isTiff = (bytes: Buffer): boolean =>
  ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(bytes.toString('latin1', 0, 4));

/** The error for a picture file that sharp refuses. */
export function damaged(path: string, cause: unknown): InputError {
  const reason = (cause as Error).message.split('\n')[0]!.replace(`${path}: `, '');
  return new InputError(
    `${path}: cannot be decoded as a picture (${reason}); it may be damaged or of a rare kind, give another copy or convert it to PNG`,
    { cause },
  );
}
