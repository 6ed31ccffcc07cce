/**
 * Reads depth maps from files as relative depth, as depth models estimate it: larger is nearer, no unit.
 */
import { extname, join } from 'node:path';
import { InputError } from '../../errors.js';
import { pictureNames, readMedia } from '../codecs/read.js';
import { sniff } from '../codecs/sniff.js';
import { decoded, floatsOf, type OpenStill, openStill, readStill } from '../codecs/still.js';
import { MAX_BYTES, tooLarge } from '../codecs/video.js';
import {
  type Frames,
  grayOf,
  type MediaSource,
  type ReadVideoOptions,
  type Size,
  sourceName,
} from '../frames.js';
import type { Margins } from '../mask/expand.js';
import type { DepthMap } from './depth-map.js';
import { readDepthTensor } from './depth-tensor.js';
import { type DepthMeaning, rangeOf, toRelative } from './meaning.js';
import { paletteOf } from './palettes.js';

export { NEAREST } from './meaning.js';

/** A picture whose colour channels differ by more than this on average (0..255) is not gray. */
const COLOURFUL = 12;

export interface ReadDepthOptions extends Pick<ReadVideoOptions, 'signal'> {
  /** what the file's values mean; default: larger is nearer */
  is?: DepthMeaning;
  /** what to do with a picture or clip that is in colour, after "so"; default: give a gray one */
  colourRemedy?: string;
  /** receives facts about the file that the user should know, one sentence each */
  notes?: string[];
}

/**
 * Reads a picture (8 or 16 bits), a clip or a folder of pictures, in which white is near unless `is` says
 * otherwise: over all frames the farthest value becomes 0 and the nearest `NEAREST`. The only tensor of a
 * .safetensors file, [H, W] or [F, H, W], is used unchanged if larger is nearer in it.
 *
 * @throws InputError if the file cannot be read, is in colour, or has a single value all over
 */
export async function readDepth(
  source: MediaSource,
  { is = 'near', notes = [], ...options }: ReadDepthOptions = {},
): Promise<DepthMap> {
  const path = sourceName(source);
  const isTensor = typeof source === 'string' && extname(path).toLowerCase() === '.safetensors';
  if (isTensor) return tensorAs(readDepthTensor(path), is);
  const read = await readGrays(source, { ...options, notes });
  const data = toRelative(read.data, is);
  if (data) return { ...read, path, data };
  throw new InputError(
    `${path}: is one shade of gray all over, so it holds no depth; give a map in which near is white and far is black`,
  );
}

/** A tensor's own scale is kept where it can be: distances have none that relative depth could keep. */
function tensorAs(map: DepthMap, is: DepthMeaning): DepthMap {
  const { least, most } = rangeOf(map.data);
  const data =
    is === 'distance'
      ? toRelative(map.data, is)
      : is === 'far'
        ? map.data.map((value) => least + most - value)
        : map.data;
  if (data && least < most) return { ...map, data };
  throw new InputError(
    `${map.path}: has one value all over, so it holds no depth; give depth in which larger is nearer`,
  );
}

/**
 * Converts distances along the optical axis, [F, H, W], to relative depth: the inverse distance, scaled
 * so that over all frames the farthest point is 0 and the nearest `NEAREST`; 0 all over if it is flat.
 */
export function relativeDepth(
  distances: Float32Array,
  { width, height, numFrames }: Size & { numFrames: number },
): DepthMap {
  const data = toRelative(distances, 'distance') ?? new Float32Array(distances.length);
  return { path: '', width, height, numFrames, data };
}

/** Crops a map around its centre to the aspect ratio of `size`; the map itself if it has that already. */
export function cropDepth(map: DepthMap, size: Size): DepthMap {
  const aspect = size.width / size.height;
  const width = Math.min(map.width, Math.max(1, Math.round(map.height * aspect)));
  const height = Math.min(map.height, Math.max(1, Math.round(map.width / aspect)));
  if (width === map.width && height === map.height) return map;
  const left = Math.floor((map.width - width) / 2);
  const top = Math.floor((map.height - height) / 2);
  const data = new Float32Array(map.numFrames * width * height);
  for (let frame = 0; frame < map.numFrames; frame++) {
    for (let y = 0; y < height; y++) {
      const from = (frame * map.height + top + y) * map.width + left;
      data.set(map.data.subarray(from, from + width), (frame * height + y) * width);
    }
  }
  return { ...map, width, height, data };
}

/** A map with margins, given in pixels of the picture that it belongs to, in which no depth is known. */
export function expandDepth(
  map: DepthMap,
  { left, right, top, bottom }: Margins,
  { width: own, height: ownHeight }: Size,
): DepthMap {
  const scale = [map.width / own, map.height / ownHeight] as const;
  const [x, y] = [Math.round(left * scale[0]), Math.round(top * scale[1])];
  const width = x + map.width + Math.round(right * scale[0]);
  const height = y + map.height + Math.round(bottom * scale[1]);
  const data = new Float32Array(map.numFrames * width * height);
  for (let frame = 0; frame < map.numFrames; frame++) {
    for (let row = 0; row < map.height; row++) {
      const from = (frame * map.height + row) * map.width;
      const to = (frame * height + y + row) * width + x;
      data.set(map.data.subarray(from, from + map.width), to);
    }
  }
  return { ...map, width, height, data };
}

type Grays = Omit<DepthMap, 'path'>;

type GrayOptions = Omit<ReadDepthOptions, 'is' | 'notes'> & { notes: string[] };

async function readGrays(path: MediaSource, options: GrayOptions): Promise<Grays> {
  if (typeof path !== 'string') return { ...fromFrames(path.path, path, options), fps: path.fps };
  switch (await sniff(path)) {
    case 'still':
      return readStillGray(path, options);
    case 'folder':
      return readFolder(path, options);
    default:
      return readClip(path, options);
  }
}

/** Reads integers at 16 bits, 0..65535, and floats unchanged. */
async function readStillGray(path: string, { colourRemedy }: GrayOptions): Promise<Grays> {
  const still = await openStill(path);
  if (still.isFloat) return readFloatGray(still);
  const { space } = still.facts;
  // an RGB file may be gray too, so its pixels are checked; few of its 16 bits may be used
  if (space !== 'b-w' && space !== 'grey16') {
    expectGray(path, await readStill(path, { lowBits: true }), colourRemedy);
  }
  const gray = still.decoder().toColourspace('grey16').extractChannel(0);
  const { data, info } = await decoded(path, gray, 'ushort');
  const values = new Uint16Array(data.buffer, data.byteOffset, data.length / 2);
  return {
    width: info.width,
    height: info.height,
    numFrames: 1,
    data: Float32Array.from(values),
  };
}

/** @throws InputError if its channels differ */
async function readFloatGray(still: OpenStill): Promise<Grays> {
  const { data, width, height, channels } = await floatsOf(still);
  const colours = channels >= 3 ? 3 : 1;
  const values = new Float32Array(width * height);
  for (let i = 0, j = 0; i < values.length; i++, j += channels) {
    values[i] = data[j]!;
    for (let c = 1; c < colours; c++) {
      if (data[j + c] !== data[j]) throw inColour(still.path, null);
    }
  }
  return { width, height, numFrames: 1, data: values };
}

async function readFolder(path: string, options: GrayOptions): Promise<Grays> {
  const names = await pictureNames(path, options.notes);
  if (names.length === 0) {
    throw new InputError(`${path}: the folder holds no pictures; put the depth maps in it as PNG`);
  }
  const frames: Grays[] = [];
  for (const name of names) {
    options.signal?.throwIfAborted();
    const frame = await readStillGray(join(path, name), options);
    const { width, height } = frames[0] ?? frame;
    if (frame.width !== width || frame.height !== height) {
      throw new InputError(
        `${join(path, name)}: all depth maps of a clip must have one size (${width}x${height} as ${names[0]}), got ${frame.width}x${frame.height}`,
      );
    }
    frames.push(frame);
    if (frames.length * frame.data.byteLength > MAX_BYTES) {
      throw tooLarge(path, width, height, MAX_BYTES);
    }
  }
  const { width, height } = frames[0]!;
  const data = new Float32Array(frames.length * width * height);
  frames.forEach((frame, i) => {
    data.set(frame.data, i * width * height);
  });
  return { width, height, numFrames: frames.length, data };
}

async function readClip(path: string, options: GrayOptions): Promise<Grays> {
  const media = await readMedia(path, { signal: options.signal });
  options.notes.push(...media.notes);
  return { ...fromFrames(path, media, options), fps: media.fps };
}

function fromFrames(path: string, frames: Frames, { colourRemedy }: GrayOptions): Grays {
  expectGray(path, frames, colourRemedy);
  const { width, height, numFrames, data } = frames;
  const grays = new Float32Array(width * height * numFrames);
  for (let i = 0, j = 0; i < grays.length; i++, j += 3) {
    grays[i] = grayOf(data[j]!, data[j + 1]!, data[j + 2]!);
  }
  return { width, height, numFrames, data: grays };
}

/** @throws InputError for a map in false colours, which are common, or for an ordinary picture */
function expectGray(path: string, { data }: Frames, remedy?: string): void {
  let difference = 0;
  for (let j = 0; j < data.length; j += 3) {
    const [r, g, b] = [data[j]!, data[j + 1]!, data[j + 2]!];
    difference += Math.max(r, g, b) - Math.min(r, g, b);
  }
  if (difference / (data.length / 3) > COLOURFUL) {
    throw inColour(path, paletteOf(data), remedy);
  }
}

/** For a map in false colours, if their palette is recognised, or a picture that is no depth at all. */
const inColour = (path: string, palette: string | null, remedy = GIVE_GRAY): InputError =>
  new InputError(
    palette === null
      ? `${path}: is in colour; a depth map is gray, so ${remedy}`
      : `${path}: is in the false colours of the palette ${palette}, which cannot be read back as depth; give the gray map that it shows, or estimate it again with \`mfm depth\``,
  );

const GIVE_GRAY = 'give one with near white and far black';
