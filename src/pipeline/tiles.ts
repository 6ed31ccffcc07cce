/** A picture too large to be made at once: tiles that overlap, each faded into its neighbours. */
import { type Frames, resizeFrames, type Size } from '../media/index.js';
import { type Given, given } from '../tasks/index.js';

export interface Tile {
  left: number;
  top: number;
}

/** Share of a tile's side that it has in common with the next. */
const OVERLAP = 0.25;

/** Corners of tiles of one size that cover all, evenly spread. */
export function tilesOf(all: Size, tile: Size): Tile[] {
  const starts = (side: number, length: number): number[] => {
    const step = length - Math.max(1, Math.round(length * OVERLAP));
    const count = Math.max(1, Math.ceil((side - length) / step) + 1);
    return Array.from({ length: count }, (_, i) =>
      count === 1 ? 0 : Math.round((i * (side - length)) / (count - 1)),
    );
  };
  return starts(all.height, tile.height).flatMap((top) =>
    starts(all.width, tile.width).map((left) => ({ left, top })),
  );
}

/** What is given, at the size that tiles are cut from. */
export function sizedGiven(whole: Given, all: Size): Given {
  const known = whole.known.map((one) => ({ ...one, frames: resizeFrames(one.frames, all) }));
  return given({ ...whole, known });
}

/** What a tile is given of what all of the picture is given, in the size of all. */
export function givenOfTile(whole: Given, place: Tile, tile: Size): Given {
  const known = whole.known.map((one) => ({ ...one, frames: cutOut(one.frames, place, tile) }));
  return given({ ...whole, known });
}

function cutOut(frames: Frames, { left, top }: Tile, { width, height }: Size): Frames {
  const data = new Uint8Array(frames.numFrames * width * height * 3);
  for (let frame = 0; frame < frames.numFrames; frame++) {
    for (let y = 0; y < height; y++) {
      const from = ((frame * frames.height + top + y) * frames.width + left) * 3;
      const to = (frame * height + y) * width * 3;
      data.set(frames.data.subarray(from, from + width * 3), to);
    }
  }
  return { width, height, numFrames: frames.numFrames, data };
}

/** Collects made tiles into one clip; where they overlap they are mixed, their middles most. */
export class TileSum {
  private readonly colours: Float32Array;
  private readonly weights: Float32Array;

  constructor(private readonly all: Size & { numFrames: number }) {
    this.weights = new Float32Array(all.width * all.height);
    this.colours = new Float32Array(this.weights.length * all.numFrames * 3);
  }

  add({ left, top }: Tile, made: Frames): void {
    const { width, height, numFrames, data } = made;
    const plane = this.all.width * this.all.height;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const weight = ramp(x, width) * ramp(y, height);
        const place = (top + y) * this.all.width + left + x;
        this.weights[place] = this.weights[place]! + weight;
        for (let frame = 0; frame < numFrames; frame++) {
          const to = (frame * plane + place) * 3;
          const from = ((frame * height + y) * width + x) * 3;
          for (let c = 0; c < 3; c++) {
            this.colours[to + c] = this.colours[to + c]! + weight * data[from + c]!;
          }
        }
      }
    }
  }

  result(): Frames {
    const { width, height, numFrames } = this.all;
    const data = new Uint8ClampedArray(this.colours.length);
    for (let i = 0; i < data.length; i++) {
      data[i] = this.colours[i]! / this.weights[Math.floor(i / 3) % this.weights.length]!;
    }
    return { width, height, numFrames, data: new Uint8Array(data.buffer) };
  }
}

/** From near 0 at the edges to 1 where no neighbour reaches. */
function ramp(place: number, length: number): number {
  return Math.min(1, (Math.min(place, length - 1 - place) + 0.5) / (length * OVERLAP));
}
