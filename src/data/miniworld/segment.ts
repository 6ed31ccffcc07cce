/** Segments a picture into patches of MiniWorld's colours on a muted background. */
import { InputError } from '../../errors.js';
import { COLOUR_NAMES, COLOURS, type Colour } from './vocabulary.js';

export interface Picture {
  width: number;
  height: number;
}

/** Bytes 0..255 or floats -1..1, RGB, row by row. */
export type Pixels = Uint8Array | Float32Array;

/** A connected region of one colour. */
export interface Patch {
  colour: Colour;
  /** indices of its pixels, row * width + column */
  pixels: number[];
  /** mean of its pixels' centres */
  x: number;
  y: number;
  /** the pixels' bounds, right and bottom exclusive */
  left: number;
  right: number;
  top: number;
  bottom: number;
}

// chroma of a solid: backgrounds reach at most 30 (see GROUNDS), the darkest side of a solid about 60
const MIN_CHROMA = 46;
// patches below this share of the picture are not solids; a small solid fills about 2.5%
const MIN_AREA = 0.008;

/**
 * The patches of one picture [H, W, 3] that are large enough to be solids, largest first, and the
 * picture's RGB values, 0..255.
 *
 * @throws InputError if the pixels are not width x height x 3
 */
export function colourPatches(
  pixels: Pixels,
  { width, height }: Picture,
): { patches: Patch[]; rgb: ArrayLike<number> } {
  if (pixels.length !== width * height * 3) {
    throw new InputError(
      `colourPatches: pixels must be [${height}, ${width}, 3], got ${pixels.length} numbers`,
    );
  }
  const rgb = toBytes(pixels);
  const patches = connectedPixels(labelColours(rgb), width, height)
    .filter((patch) => patch.length >= MIN_AREA * width * height)
    .map((patch) => describePatch(patch, rgb, width))
    .sort((a, b) => b.pixels.length - a.pixels.length);
  return { patches, rgb };
}

function toBytes(pixels: Pixels): Uint8Array | Float32Array {
  return pixels instanceof Uint8Array ? pixels : pixels.map((value) => (value + 1) * 127.5);
}

/** Per pixel 0 for the background, otherwise 1 + the index of the nearest colour. */
function labelColours(rgb: ArrayLike<number>): Uint8Array {
  const labels = new Uint8Array(rgb.length / 3);
  for (let p = 0; p < labels.length; p++) {
    const [red, green, blue] = [rgb[p * 3], rgb[p * 3 + 1], rgb[p * 3 + 2]];
    if (Math.max(red, green, blue) - Math.min(red, green, blue) >= MIN_CHROMA) {
      labels[p] = 1 + nearestColour(red, green, blue);
    }
  }
  return labels;
}

// each colour divided by its largest channel, which makes it independent of shading
const DIRECTIONS = COLOUR_NAMES.map((name) => {
  const rgb = COLOURS[name];
  return rgb.map((value) => value / Math.max(...rgb));
});

function nearestColour(red: number, green: number, blue: number): number {
  const scale = 1 / Math.max(red, green, blue, 1);
  let best = 0;
  let least = Infinity;
  for (let i = 0; i < DIRECTIONS.length; i++) {
    const [r, g, b] = DIRECTIONS[i];
    const distance = (red * scale - r) ** 2 + (green * scale - g) ** 2 + (blue * scale - b) ** 2;
    if (distance < least) {
      least = distance;
      best = i;
    }
  }
  return best;
}

/** Connected components (4-neighbourhood) of equal labels, without the background. */
function connectedPixels(labels: Uint8Array, width: number, height: number): number[][] {
  const done = new Uint8Array(labels.length);
  const patches: number[][] = [];
  for (let start = 0; start < labels.length; start++) {
    if (labels[start] === 0 || done[start]) {
      continue;
    }
    const patch = [start];
    done[start] = 1;
    for (let i = 0; i < patch.length; i++) {
      const p = patch[i];
      const x = p % width;
      const y = (p - x) / width;
      for (const [q, inside] of [
        [p - 1, x > 0],
        [p + 1, x < width - 1],
        [p - width, y > 0],
        [p + width, y < height - 1],
      ] as const) {
        if (inside && !done[q] && labels[q] === labels[start]) {
          done[q] = 1;
          patch.push(q);
        }
      }
    }
    patches.push(patch);
  }
  return patches;
}

function describePatch(pixels: number[], rgb: ArrayLike<number>, width: number): Patch {
  const box = { left: Infinity, right: 0, top: Infinity, bottom: 0 };
  let [x, y, red, green, blue] = [0, 0, 0, 0, 0];
  for (const p of pixels) {
    const column = p % width;
    const row = (p - column) / width;
    box.left = Math.min(box.left, column);
    box.right = Math.max(box.right, column + 1);
    box.top = Math.min(box.top, row);
    box.bottom = Math.max(box.bottom, row + 1);
    x += column + 0.5;
    y += row + 0.5;
    red += rgb[p * 3];
    green += rgb[p * 3 + 1];
    blue += rgb[p * 3 + 2];
  }
  const n = pixels.length;
  const colour = COLOUR_NAMES[nearestColour(red / n, green / n, blue / n)];
  return { colour, pixels, x: x / n, y: y / n, ...box };
}
