/** Reads the pictures, clips, masks and depth that a request puts at places of its result. */
import { InputError } from '../../errors.js';
import {
  type DepthMap,
  expectMaskFits,
  type Frames,
  type Media,
  type MediaSource,
  readMedia,
  sliceFrames,
  sourceName,
} from '../../media/index.js';
import type { Hole } from '../../media/mask/resize-mask.js';
import { readShares } from '../../media/mask/shares.js';
import { cutDepth, depthAt, planesAt } from '../../tasks/index.js';
import { padFrames } from './clip-window.js';
import { readDepthFile, soundOf } from './inputs.js';
import type { Fitting } from './notes.js';
import { bare, type DepthPart, expectOnce, hasPlace, type KnownPart, spanOf } from './placed.js';
import type { UserRequest } from './request.js';

/** A known part, read, at its own size. */
export interface ReadPart {
  /** a frame for each place */
  media: Media;
  at: number[];
  /** [F, H, W]; null: all of it is kept */
  hole: Hole | null;
  gray: boolean;
  depth: DepthMap | null;
}

/** Depth, read, with a frame for each place. */
export interface ReadDepth {
  map: DepthMap;
  at: number[];
}

export interface ReadPlaced {
  known: ReadPart[];
  depth: ReadDepth[];
  /** frames per second of the first clip, or of the depth if there is none; null: unknown */
  fps: number | null;
  /** file whose sound goes with the result: that of a clip that is known from the first frame to the last */
  audio: string | null;
}

/**
 * @param numFrames   of the result
 * @throws InputError naming the file, what is wrong with it, and the remedy
 */
export async function readPlaced(
  request: UserRequest,
  numFrames: number,
  fitting: Fitting,
): Promise<ReadPlaced> {
  const { known: parts = [], depth: depths = [] } = request;
  const read: ReadPlaced = { known: [], depth: [], fps: null, audio: null };
  for (const part of parts) {
    const one = await readKnown(part, { numFrames, fps: read.fps, fitting, request });
    read.known.push(one);
    if (one.media.kind !== 'video') continue;
    read.fps ??= one.media.fps;
    if (one.at.length === numFrames) read.audio ??= soundOf(part.media, one.media, fitting);
  }
  for (const depth of depths) read.depth.push(await readPlacedDepth(depth));
  read.fps ??= read.depth.find(({ map }) => map.fps)?.map.fps ?? null;
  const laid = ({ media, at }: ReadPart) => ({ name: media.path, at });
  const deep = ({ map, at }: ReadDepth) => ({ name: map.path, at });
  expectOnce(read.known.map(laid), 'known');
  const ofKnown = read.known.flatMap(({ depth, at }) => (depth ? [{ map: depth, at }] : []));
  expectOnce([...ofKnown, ...read.depth].map(deep), 'depth');
  return read;

  /** Without a place, depth is that of all frames. */
  async function readPlacedDepth(depth: MediaSource | DepthPart): Promise<ReadDepth> {
    const media = bare(depth);
    const placed = hasPlace(depth);
    const name = sourceName(media);
    const { first, count } = placed
      ? spanOf(name, depth.at, numFrames)
      : { first: 0, count: numFrames };
    const map = await readDepthFile(media, request, fitting);
    const wanted = count ?? Math.min(map.numFrames, numFrames - first);
    if (!placed && map.numFrames < wanted) {
      throw new InputError(
        `${name}: has ${inFrames(map.numFrames)} of depth for a result of ${wanted}; say which frames they belong to with \`depth: [{ media, at }]\`, or ask for \`numFrames: ${map.numFrames}\``,
      );
    }
    const fitted = depthOfLength(map, wanted, { where: runInWords(first, wanted), fitting });
    return { map: fitted, at: placesFrom(first, wanted) };
  }
}

interface Within {
  numFrames: number;
  /** the rate that clips are brought to, if there is one */
  fps: number | null;
  fitting: Fitting;
  request: UserRequest;
}

async function readKnown(
  { media: source, at, mask, invert, gray = false, depth, keep = 1 }: KnownPart,
  { numFrames, fps, fitting, request }: Within,
): Promise<ReadPart> {
  const name = sourceName(source);
  const { signal } = request;
  const { first, count } = spanOf(name, at, numFrames);
  const most = count ?? numFrames - first;
  // one frame more, to know whether something is left out
  const { media, resampled } = await readAtRate(source, {
    fps,
    maxFrames: most + 1,
    fitting,
    signal,
  });
  fitting.notes(media.notes.splice(0));
  const still = media.kind === 'image';
  const wanted = count ?? (still ? 1 : Math.min(most, media.numFrames));
  const where = runInWords(first, wanted);
  if (!still && media.numFrames < wanted) {
    throw new InputError(
      `${name}: has ${inFrames(media.numFrames)}, and ${where} are ${wanted}; give a longer clip, or let its place end at ${first + media.numFrames - 1}`,
    );
  }
  const isCut = media.numFrames > wanted;
  if (isCut) fitting.fitted(`${name}: is longer than ${where}; the rest of it is left out`);
  const frames = padFrames(sliceFrames(media, 0, Math.min(wanted, media.numFrames)), wanted);
  const shares = mask === undefined ? null : await readHole(mask, { ...media, ...frames });
  const map = depth === undefined ? null : await readDepthFile(depth, request, fitting);
  if (map) expectSameRate('depth', map.numFrames);
  return {
    media: { ...media, ...frames },
    at: placesFrom(first, wanted),
    hole: keptPartly(shares, keep, frames),
    gray,
    depth:
      map && depthOfLength(map, wanted, { where: `${where} of ${name}`, isCut, still, fitting }),
  };

  /** @throws InputError if it belongs to frames of which only some are used */
  function expectSameRate(what: string, count: number): void {
    if (!resampled || count === 1) return;
    throw new InputError(
      `${name}: is brought to the rate of the first clip, but its ${what} belongs to its own frames; give both at that rate`,
      { field: 'known' },
    );
  }

  async function readHole(mask: MediaSource, input: Media): Promise<Hole> {
    const notes: string[] = [];
    const read = await readShares(mask, { invert, notes, signal, maxFrames: wanted + 1 });
    fitting.notes(notes);
    expectSameRate('mask', read.numFrames);
    const plane = read.width * read.height;
    const isLong = isCut && read.numFrames > wanted;
    expectMaskFits(isLong ? { ...read, numFrames: wanted } : read, input);
    const indices = placesFrom(0, wanted).map((i) => (read.numFrames === 1 ? 0 : i));
    return planesAt(read.data, indices, plane);
  }
}

/** Reads a clip at the rate of those before it. */
async function readAtRate(
  source: MediaSource,
  {
    fps,
    fitting,
    ...options
  }: Pick<Within, 'fps' | 'fitting'> & { maxFrames: number; signal?: AbortSignal },
): Promise<{ media: Media; resampled: boolean }> {
  const media = await readMedia(source, options);
  if (media.kind !== 'video' || !media.fps || !fps || Math.abs(media.fps / fps - 1) < 0.01) {
    return { media, resampled: false };
  }
  const [own, wanted] = [media.fps, fps].map((rate) => String(Math.round(rate * 100) / 100));
  if (typeof source !== 'string') {
    throw new InputError(
      `${media.path}: has ${own} frames per second, and the first clip has ${wanted}; give frames of the same rate`,
      { field: 'known' },
    );
  }
  fitting.fitted(`${source}: ${own} frames per second become the ${wanted} of the first clip`);
  return { media: await readMedia(source, { ...options, fps }), resampled: true };
}

/** A hole in which at most this share of each pixel is kept; null: everything is. */
function keptPartly(
  hole: Hole | null,
  keep: number,
  { width, height, numFrames }: Frames,
): Hole | null {
  if (keep === 1) return hole;
  const lacks = 1 - keep;
  if (!hole) return new Float32Array(numFrames * height * width).fill(lacks);
  return Float32Array.from(hole, (missing) => 1 - (1 - missing) * keep);
}

/**
 * Depth of as many frames as it is for: that of a single picture is repeated if `still`, and a longer
 * clip is cut.
 */
function depthOfLength(
  map: DepthMap,
  count: number,
  {
    where,
    fitting,
    isCut = true,
    still = true,
  }: { where: string; fitting: Fitting; isCut?: boolean; still?: boolean },
): DepthMap {
  const { path, numFrames } = map;
  if (numFrames === count) return map;
  if (numFrames > count && isCut) {
    fitting.fitted(`${path}: is longer than ${where}; the rest of it is left out`);
    return cutDepth(map, 0, count);
  }
  if (numFrames === 1 && still) {
    return depthAt(map, new Array<number>(count).fill(0));
  }
  throw new InputError(
    `${path}: must have as many frames of depth as ${where}, ${count}, got ${numFrames}; cut it to that`,
  );
}

const placesFrom = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + i);

const inFrames = (count: number): string => (count === 1 ? '1 frame' : `${count} frames`);

const runInWords = (first: number, count: number): string =>
  count === 1 ? `frame ${first}` : `frames ${first} to ${first + count - 1}`;
