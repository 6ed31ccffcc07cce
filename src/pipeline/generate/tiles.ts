/** Tiles, for a picture too large to denoise in one piece; it is still decoded as a whole. */
import { cutOut, resizeFrames, type Size } from '../../media/index.js';
import { type Condition, type ConditionInputs, given } from '../../tasks/index.js';
import { fromArray, type Tensor } from '../../tensor/index.js';
import type { TileWork } from '../cost/work.js';

export interface Tile {
  left: number;
  top: number;
}

/** How one sample is denoised in tiles. */
export interface Tiling {
  /** pixels of each tile, multiples of 16 */
  tile: Size;
  /** top left corners of the tiles of each grid; steps use the grids in turn */
  grids: readonly (readonly Tile[])[];
  /** tiles per batch */
  samples: number;
  /** the condition of the tile at a place; the caller frees it */
  conditionOf(place: Tile): Condition;
}

/** A tile in latent pixels. */
export interface LatentTile extends Tile, Size {}

/** Overlap of neighbouring tiles, as a share of a tile's side: the largest that costs little is used. */
const OVERLAPS = [1 / 4, 1 / 8, 0];
/**
 * The most work per step that shifted grids may take, relative to one grid with the largest overlap.
 * At 1.12 a result of 384x256 took 13 % longer in total (measured); with less overlap, seams are no
 * more visible.
 */
const MOST_WORK = 1.05;
/** How far each grid is shifted, as a share of the distance to the next tile; steps use this order. */
const SHIFTS = [0, 1 / 2, 1 / 4, 3 / 4];
/** Corners lie on whole latent pixels, which are this many pixels wide. */
const UNIT = 8;

/**
 * Corners of tiles that cover the whole picture, in grids that are shifted against each other: a
 * tile's edges lie elsewhere in the next step, so no seam stays visible. A picture hardly larger than
 * a tile has one grid.
 *
 * @param all, tile   multiples of 16
 */
export function tileGrids(all: Size, tile: Size): Tile[][] {
  const gridOf = (startsOf: (side: number, length: number) => number[]): Tile[] => {
    const lefts = startsOf(all.width, tile.width);
    return startsOf(all.height, tile.height).flatMap((top) => lefts.map((left) => ({ left, top })));
  };
  const [quarter] = OVERLAPS;
  const usual = gridOf((side, length) => spreadStarts(side, length, quarter));
  for (const overlap of OVERLAPS) {
    const grids = SHIFTS.map((shift) =>
      gridOf((side, length) => shiftedStarts(side, length, overlap, shift)),
    );
    const mean = grids.reduce((sum, { length }) => sum + length, 0) / grids.length;
    if (mean <= MOST_WORK * usual.length) return grids;
  }
  // with so few tiles, one more would cost too much
  return [0, 1 / 2, -1 / 2].map((part) =>
    gridOf((side, length) => movedStarts(spreadStarts(side, length, quarter), length, part)),
  );
}

/** Starts of tiles that are spread evenly along a side. */
function spreadStarts(side: number, length: number, overlap: number): number[] {
  if (side <= length) return [0];
  const count = Math.ceil((side - length) / (length * (1 - overlap))) + 1;
  return Array.from({ length: count }, (_, i) => toUnit((i * (side - length)) / (count - 1)));
}

/** One more tile than `spreadStarts`: all but the first and the last are shifted towards the next. */
function shiftedStarts(side: number, length: number, overlap: number, shift: number): number[] {
  const starts = spreadStarts(side, length, overlap);
  if (shift === 0) return starts;
  const between = starts
    .slice(1)
    .map((next, i) => toUnit(starts[i]! + shift * (next - starts[i]!)));
  return starts.length === 1 ? starts : [0, ...between, side - length];
}

/** As many tiles: all but the first and the last are moved by a part of their overlap. */
function movedStarts(starts: number[], length: number, part: number): number[] {
  return starts.map((start, i) => {
    if (i === 0 || i === starts.length - 1) return start;
    const common = Math.min(starts[i - 1]! + length - start, start + length - starts[i + 1]!);
    return toUnit(start + part * common);
  });
}

const toUnit = (place: number): number => Math.round(place / UNIT) * UNIT;

/** How much work the grids are, with at most `atOnce` tiles per batch. */
export function tileWork(grids: readonly Tile[][], tile: Size, atOnce: number): TileWork {
  const batches = batchesOf({ grids, samples: atOnce });
  const kept = grids.reduce((sum, { length }) => sum + length, 0);
  return {
    width: tile.width,
    height: tile.height,
    samples: Math.max(...batches.flat().map(({ length }) => length)),
    perStep: kept / grids.length,
    kept,
  };
}

/** Splits each grid into batches of about equal size. */
export function batchesOf({ grids, samples }: Pick<Tiling, 'grids' | 'samples'>): Tile[][][] {
  return grids.map((tiles) => {
    const count = Math.ceil(tiles.length / samples);
    const at = (i: number) => Math.round((i * tiles.length) / count);
    return Array.from({ length: count }, (_, i) => tiles.slice(at(i), at(i + 1)));
  });
}

export function latentTiles(places: readonly Tile[], tile: Size, factor: number): LatentTile[] {
  return places.map(({ left, top }) => ({
    left: left / factor,
    top: top / factor,
    width: tile.width / factor,
    height: tile.height / factor,
  }));
}

/** The part [.., h, w] of latents [.., H, W] that a tile covers; it shares their memory. */
export function cutLatents(latents: Tensor, { left, top, width, height }: LatentTile): Tensor {
  return latents.narrow(-2, top, height).narrow(-1, left, width);
}

/** Weights of a tile where it overlaps others, [1, 1, 1, h, w]: they fall towards its edges. */
export function tileWeights({ width, height }: Size, device: string): Tensor {
  const slope = (i: number, length: number) => Math.min(i, length - 1 - i) + 0.5;
  const weights = Float32Array.from(
    { length: width * height },
    (_, i) => slope(i % width, width) * slope(Math.floor(i / width), height),
  );
  return fromArray(weights, [1, 1, 1, height, width]).to(device);
}

/** The condition's inputs, resized to the size that tiles are cut from. */
export function sizedGiven(whole: ConditionInputs, all: Size): ConditionInputs {
  const known = whole.known.map((one) => ({ ...one, frames: resizeFrames(one.frames, all) }));
  return given({ ...whole, known });
}

/** The part of the whole picture's condition inputs that belongs to one tile. */
export function givenOfTile(whole: ConditionInputs, place: Tile, tile: Size): ConditionInputs {
  const known = whole.known.map((one) => ({ ...one, frames: cutOut(one.frames, place, tile) }));
  return given({ ...whole, known });
}
