/**
 * Classifies the shape of a patch by its outline and shading. The classifier is fitted on first use to
 * MiniWorld's own pictures, sharp and blurred, from fixed seeds; so it follows changes of MiniWorld and
 * needs no stored weights.
 */
import { miniWorld } from './index.js';
import { colourPatches, type Patch } from './segment.js';
import { type PlainShape, SHAPES } from './vocabulary.js';

const GRID = 8;
const FEATURES = 2 * GRID * GRID + 3;

let fitted: Float64Array[] | undefined;

/** The likeliest shape, and the margin of its score (about 1 if certain) over the second best. */
export function classifyShape(
  patch: Patch,
  rgb: ArrayLike<number>,
  width: number,
): { shape: PlainShape; margin: number } {
  fitted ??= fitShapes();
  const features = shapeFeatures(patch, rgb, width);
  const scores = SHAPES.map((shape, s) => ({
    shape,
    score: features.reduce((sum, value, i) => sum + value * fitted![i][s], 0),
  })).sort((a, b) => b.score - a.score);
  return { shape: scores[0].shape, margin: scores[0].score - scores[1].score };
}

/**
 * Features of a patch: coverage and brightness on an 8x8 grid over its box, aspect ratio and fill.
 *
 * @param rgb channels 0..255 of the whole picture
 */
function shapeFeatures(patch: Patch, rgb: ArrayLike<number>, width: number): Float64Array {
  const { pixels, left, right, top, bottom } = patch;
  const features = new Float64Array(FEATURES);
  const boxWidth = right - left;
  const boxHeight = bottom - top;
  const sizes = new Float64Array(GRID * GRID);
  const inside = new Uint8Array(boxWidth * boxHeight);
  let mean = 0;
  for (const p of pixels) {
    inside[(Math.floor(p / width) - top) * boxWidth + ((p % width) - left)] = 1;
    mean += brightness(rgb, p) / pixels.length;
  }
  // each pixel is divided among the cells that it overlaps, so that small boxes leave no cell empty
  for (let y = 0; y < boxHeight; y++) {
    for (let x = 0; x < boxWidth; x++) {
      const covered = inside[y * boxWidth + x];
      const p = (top + y) * width + left + x;
      const light = covered ? brightness(rgb, p) / mean - 1 : 0;
      forCells(y, boxHeight, (i, shareY) => {
        forCells(x, boxWidth, (j, shareX) => {
          const cell = i * GRID + j;
          sizes[cell] += shareX * shareY;
          features[cell] += covered * shareX * shareY;
          features[GRID * GRID + cell] += light * shareX * shareY;
        });
      });
    }
  }
  for (let cell = 0; cell < GRID * GRID; cell++) {
    features[cell] = features[cell] / sizes[cell] - 0.5;
    features[GRID * GRID + cell] *= 2 / sizes[cell];
  }
  features[2 * GRID * GRID] = 2 * Math.log(boxWidth / boxHeight);
  features[2 * GRID * GRID + 1] = 4 * (pixels.length / (boxWidth * boxHeight) - 0.75);
  features[2 * GRID * GRID + 2] = 1;
  return features;
}

function brightness(rgb: ArrayLike<number>, p: number): number {
  return rgb[p * 3] + rgb[p * 3 + 1] + rgb[p * 3 + 2];
}

/** Visits the grid cells that pixel `x` of `size` overlaps, with the share of each. */
function forCells(x: number, size: number, visit: (cell: number, share: number) => void): void {
  const from = (x * GRID) / size;
  const to = ((x + 1) * GRID) / size;
  for (let cell = Math.floor(from); cell < to && cell < GRID; cell++) {
    const share = Math.min(to, cell + 1) - Math.max(from, cell);
    if (share > 1e-9) {
      visit(cell, share);
    }
  }
}

/**
 * Fits a ridge regression from features to one-hot shapes on pictures of one or two solids.
 *
 * @returns weights [features, shapes]
 */
function fitShapes(): Float64Array[] {
  const picture = { width: 64, height: 64 };
  const ridge = 10; // measured: anything from 1 to 10 classifies every unseen render correctly
  const normal = Array.from({ length: FEATURES }, (_, i) => {
    const row = new Float64Array(FEATURES);
    row[i] = ridge;
    return row;
  });
  const target = normal.map(() => new Float64Array(SHAPES.length));
  for (let i = 0; i < 480; i++) {
    // seeds far from those of training and evaluation
    const seed = 2 ** 40 + i;
    const split = i % 4 === 3 ? 'heldout' : 'train';
    const sample = miniWorld(seed, { ...picture, numFrames: 1, split });
    const pixels = i % 2 ? blur(sample.frames, 64, 64, 1) : sample.frames;
    const { patches, rgb } = colourPatches(pixels, picture);
    for (const patch of patches) {
      const solid = sample.scene.objects.find(({ colour }) => colour === patch.colour);
      if (solid) {
        const features = shapeFeatures(patch, rgb, 64);
        const shape = SHAPES.indexOf(solid.shape as PlainShape);
        for (let a = 0; a < FEATURES; a++) {
          target[a][shape] += features[a];
          for (let b = 0; b < FEATURES; b++) {
            normal[a][b] += features[a] * features[b];
          }
        }
      }
    }
  }
  return solve(normal, target);
}

/** Solves `a x = b` for a symmetric positive definite `a` by elimination, in place. */
function solve(a: Float64Array[], b: Float64Array[]): Float64Array[] {
  const n = a.length;
  const subtract = (row: Float64Array, factor: number, from: Float64Array) => {
    for (let k = 0; k < row.length; k++) {
      from[k] -= factor * row[k];
    }
  };
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const factor = a[j][i] / a[i][i];
      subtract(a[i], factor, a[j]);
      subtract(b[i], factor, b[j]);
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let j = i + 1; j < n; j++) {
      subtract(b[j], a[i][j], b[i]);
    }
    b[i] = b[i].map((value) => value / a[i][i]);
  }
  return b;
}

/** Gaussian blur of one RGB picture, `sigma` in pixels; mimics what an autoencoder does to edges. */
export function blur(rgb: Uint8Array, width: number, height: number, sigma: number): Uint8Array {
  const reach = Math.ceil(3 * sigma);
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)),
  );
  const sum = kernel.reduce((a, b) => a + b, 0);
  const pass = (from: ArrayLike<number>, stepX: number, stepY: number) => {
    const to = new Float64Array(rgb.length);
    for (let p = 0; p < width * height; p++) {
      const x = p % width;
      const y = (p - x) / width;
      for (let i = -reach; i <= reach; i++) {
        const column = Math.min(width - 1, Math.max(0, x + i * stepX));
        const row = Math.min(height - 1, Math.max(0, y + i * stepY));
        const q = (row * width + column) * 3;
        const weight = kernel[i + reach] / sum;
        to[p * 3] += weight * from[q];
        to[p * 3 + 1] += weight * from[q + 1];
        to[p * 3 + 2] += weight * from[q + 2];
      }
    }
    return to;
  };
  return Uint8Array.from(pass(pass(rgb, 1, 0), 0, 1), Math.round);
}
