/** Changes of light, colour, sharpness and noise that leave the depth of a picture as it is. */
import type { RandomStream } from '../../../data/random.js';
import { resample } from '../../../media/pixels/resample.js';

/**
 * The picture as another camera might have taken it: now and then less sharp, grey, noisy, and mostly
 * with other brightness, contrast and colours.
 *
 * @param pixels  RGB, [H, W, 3]; not changed
 */
export function disturb(
  random: RandomStream,
  pixels: Uint8Array<ArrayBuffer>,
  { width, height }: { width: number; height: number },
): Uint8Array<ArrayBuffer> {
  const blurred = random.chance(0.4) ? softened(random, pixels, { width, height }) : pixels;
  const isGrey = random.chance(0.1);
  const saturation = isGrey ? 0 : random.chance(0.5) ? 1 : random.between(0.3, 1.5);
  const gamma = random.chance(0.5) ? 1 : 1.8 ** random.between(-1, 1);
  const contrast = random.chance(0.5) ? 1 : random.between(0.5, 1.3);
  const shift = random.between(-25, 25);
  const gains = [0, 0, 0].map(() => (random.chance(0.5) ? 1 : random.between(0.8, 1.2)));
  const noise = random.chance(0.3) ? random.between(0, 14) : 0;
  const curve = Float32Array.from(
    { length: 256 },
    (_, byte) => ((byte / 255) ** gamma * 255 - 128) * contrast + 128 + shift,
  );
  const result = new Uint8Array(pixels.length);
  for (let p = 0; p < result.length; p += 3) {
    const [r, g, b] = [curve[blurred[p]!]!, curve[blurred[p + 1]!]!, curve[blurred[p + 2]!]!];
    const grey = 0.299 * r + 0.587 * g + 0.114 * b;
    // the sum of two uniform numbers is nearly normal
    const grain = noise === 0 ? 0 : noise * (random.next() + random.next() - 1);
    result[p] = clipped((grey + (r - grey) * saturation) * gains[0]! + grain);
    result[p + 1] = clipped((grey + (g - grey) * saturation) * gains[1]! + grain);
    result[p + 2] = clipped((grey + (b - grey) * saturation) * gains[2]! + grain);
  }
  return result;
}

/** Reduced and enlarged again, as small pictures are that the model gets to see. */
function softened(
  random: RandomStream,
  pixels: Uint8Array,
  { width, height }: { width: number; height: number },
): Uint8Array {
  const share = random.between(0.3, 0.9);
  const small = {
    width: Math.max(8, Math.round(width * share)),
    height: Math.max(8, Math.round(height * share)),
  };
  const channels = 3;
  const reduced = resample(pixels, { count: 1, width, height, channels }, small, 'bilinear');
  const filter = random.chance(0.5) ? 'bilinear' : 'bicubic';
  return resample(reduced, { count: 1, ...small, channels }, { width, height }, filter);
}

const clipped = (value: number): number => Math.max(0, Math.min(255, Math.round(value)));
