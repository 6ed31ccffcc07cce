/** False colours in which depth is shown to people: making them, and recognising them. */

/** Red, green and blue, 0..255, of a value from 0 to 1. */
export type Palette = (value: number) => [number, number, number];

/** Colours at equal distances from 0 to 1, joined by straight lines. */
function between(anchors: string): Palette {
  const colours = anchors
    .split(' ')
    .map((hex) => [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)));
  return (value) => {
    const place = clamped(value) * (colours.length - 1);
    const from = Math.min(Math.floor(place), colours.length - 2);
    const mix = (c: number) =>
      colours[from]![c]! + (place - from) * (colours[from + 1]![c]! - colours[from]![c]!);
    return [mix(0), mix(1), mix(2)];
  };
}

const clamped = (value: number): number => Math.min(1, Math.max(0, value));

const polynomial = (x: number, factors: readonly number[]): number =>
  factors.reduceRight((sum, factor) => sum * x + factor, 0);

/** Source: Mikhailov 2019, "Turbo, an improved rainbow colormap", the polynomials of fifth degree */
export const turbo: Palette = (value) => {
  const x = clamped(value);
  const channel = (...factors: number[]) => 255 * clamped(polynomial(x, factors));
  return [
    channel(0.13572138, 4.6153926, -42.66032258, 132.13108234, -152.94239396, 59.28637943),
    channel(0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604),
    channel(0.1066733, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973),
  ];
};

/** Source: the piecewise linear map of MATLAB */
const jet: Palette = (value) => {
  const channel = (centre: number) => 255 * clamped(1.5 - Math.abs(4 * clamped(value) - centre));
  return [channel(3), channel(2), channel(1)];
};

/**
 * The palettes in which programs show depth.
 * Source of the anchors: matplotlib's tables at equal distances; Spectral is ColorBrewer's of 11 colours
 */
export const PALETTES: Readonly<Record<string, Palette>> = {
  turbo,
  jet,
  viridis: between('440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725'),
  inferno: between('000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4'),
  magma: between('000004 180f3d 440f76 721f81 9e2f7f cd4071 f1605d fd9668 feca8d fcfdbf'),
  plasma: between('0d0887 46039f 7201a8 9c179e bd3786 d8576b ed7953 fb9f3a fdca26 f0f921'),
  Spectral: between('9e0142 d53e4f f46d43 fdae61 fee08b ffffbf e6f598 abdda4 66c2a5 3288bd 5e4fa2'),
};

/** Colours of a palette's curve that pixels are compared with. */
const CURVE = 128;
/** Pixels that are compared. */
const SAMPLES = 2000;
/**
 * Mean distance of the pixels from the curve, 0..255, up to which they are of the palette. Measured:
 * below 6 for depth in the palettes, after H.264 too; above 21 for all of a hundred photos.
 */
const NEAR = 10;
/** Share of the curve, in eighths, that the pixels must reach. */
const REACHED = 3;

/**
 * The name of the palette in which depth was coloured; null if the colours are of none.
 * @param data   [N, 3], 0..255
 */
export function paletteOf(data: Uint8Array): string | null {
  const pixels = data.length / 3;
  const step = Math.max(1, Math.floor(pixels / SAMPLES));
  let best: { name: string; distance: number } | null = null;
  for (const [name, palette] of Object.entries(PALETTES)) {
    const curve = Array.from({ length: CURVE }, (_, i) => palette(i / (CURVE - 1)));
    const reached = new Set<number>();
    let [sum, count] = [0, 0];
    for (let i = 0; i < pixels; i += step) {
      const { distance, place } = nearest(curve, data, i * 3);
      sum += distance;
      count++;
      reached.add(Math.floor((place / CURVE) * 8));
    }
    const distance = sum / count;
    if (reached.size < REACHED || distance > (best?.distance ?? NEAR)) continue;
    best = { name, distance };
  }
  return best?.name ?? null;
}

function nearest(curve: readonly number[][], data: Uint8Array, at: number) {
  let [least, place] = [Number.POSITIVE_INFINITY, 0];
  for (let i = 0; i < curve.length; i++) {
    const [r, g, b] = curve[i] as [number, number, number];
    const square = (data[at]! - r) ** 2 + (data[at + 1]! - g) ** 2 + (data[at + 2]! - b) ** 2;
    if (square < least) [least, place] = [square, i];
  }
  return { distance: Math.sqrt(least), place };
}
