/**
 * Matches colours to other pictures: restores the brightness of the input, or matches chroma or levels.
 */
import { ShapeError } from '../../errors.js';
import { expectFrames, type Frames, sliceFrames } from '../frames.js';
import { resizeFrames } from './tensors.js';

/** BT.601 in full range: luma = 0.299 R + 0.587 G + 0.114 B, for values 0..255. */
const [RED, GREEN, BLUE] = [0.299, 0.587, 0.114];

/**
 * Combines the chroma of the generated frames with the luma and the size of the original; luma is exact
 * up to rounding (at most half a level). A colour that does not exist at that luma is desaturated until
 * it does.
 *
 * @param original  of any size; the generated frames are resized to it (bicubic)
 * @throws ShapeError unless both have the same number of frames
 */
export function matchLuminance(made: Frames, original: Frames): Frames {
  expectFrames('matchLuminance', made);
  expectFrames('matchLuminance', original);
  const { width, height, numFrames } = original;
  if (made.numFrames !== numFrames) {
    throw new ShapeError(
      `matchLuminance: both must have equally many frames, got ${made.numFrames} and ${numFrames}`,
    );
  }
  const data = new Uint8Array(original.data.length);
  const area = width * height * 3;
  for (let frame = 0; frame < numFrames; frame++) {
    const colours = resizeFrames(sliceFrames(made, frame, frame + 1), original).data;
    for (let i = 0, j = frame * area; i < area; i += 3, j += 3) {
      const [r, g, b] = [colours[i]!, colours[i + 1]!, colours[i + 2]!];
      const y = luma(r, g, b);
      const wanted = luma(original.data[j]!, original.data[j + 1]!, original.data[j + 2]!);
      putColour(data, j, wanted, r - y, b - y);
    }
  }
  return { width, height, numFrames, data };
}

/** Highest chroma gain: with more, the noise of nearly gray frames would become colour. */
const MAX_CHROMA_GAIN = 4;

/**
 * A function that gives frames the palette of a reference: mean and standard deviation of Cb and Cr of
 * `frames` become the reference's (computed over all of them, so that nothing flickers), and luma is
 * kept. All parts of a clip are to be changed by the same function.
 *
 * @param reference  of any size and length
 * Source: Reinhard et al. 2001, Color Transfer between Images; in YCbCr, so that luma is kept
 */
export function chromaTransfer(frames: Frames, reference: Frames): (part: Frames) => Frames {
  expectFrames('chromaTransfer', frames);
  expectFrames('chromaTransfer', reference);
  const [from, to] = [chromaMoments(frames), chromaMoments(reference)];
  const [red, blue] = [0, 1].map((c) => {
    const gain =
      from[c]!.deviation > 0 ? Math.min(MAX_CHROMA_GAIN, to[c]!.deviation / from[c]!.deviation) : 1;
    return { gain, offset: to[c]!.mean - gain * from[c]!.mean };
  });
  return (part) => {
    const data = new Uint8Array(part.data.length);
    for (let j = 0; j < data.length; j += 3) {
      const [r, g, b] = [part.data[j]!, part.data[j + 1]!, part.data[j + 2]!];
      const y = luma(r, g, b);
      putColour(data, j, y, red!.gain * (r - y) + red!.offset, blue!.gain * (b - y) + blue!.offset);
    }
    return { ...part, data };
  };
}

/** Limits of the colour change between windows of a clip; a larger difference is not colour drift. */
const GAINS = [0.8, 1.25] as const;
const MAX_OFFSET = 48;

/**
 * Matches the colours of a new window of a clip to the previous one: a gain and an offset per channel,
 * fitted on frames that both windows contain, are applied to the new frames.
 *
 * The gain is the slope of the reduced major axis (the geometric mean of both least-squares slopes, which
 * is sd(to) / sd(from)), limited to 0.8..1.25. Plain least squares would underestimate the slope because
 * of noise, and the loss of contrast would add up over windows.
 *
 * @param from  the shared frames in the new window
 * @param to    the same frames as they should be
 * @throws ShapeError unless `from` and `to` hold the same number of pixels
 */
export function matchColours(frames: Frames, { from, to }: { from: Frames; to: Frames }): Frames {
  for (const each of [frames, from, to]) expectFrames('matchColours', each);
  if (from.data.length !== to.data.length) {
    throw new ShapeError(
      `matchColours: from and to must be of one size and length, got ${from.data.length} and ${to.data.length} bytes`,
    );
  }
  const data = new Uint8Array(frames.data.length);
  for (let c = 0; c < 3; c++) {
    const [now, want] = [moments(from.data, c), moments(to.data, c)];
    // with a spread of less than one level a gain cannot be fitted
    const slope = now.deviation > 1 && want.deviation > 1 ? want.deviation / now.deviation : 1;
    const gain = Math.max(GAINS[0], Math.min(GAINS[1], slope));
    const offset = Math.max(-MAX_OFFSET, Math.min(MAX_OFFSET, want.mean - gain * now.mean));
    const table = Uint8ClampedArray.from({ length: 256 }, (_, value) => gain * value + offset);
    for (let j = c; j < data.length; j += 3) data[j] = table[frames.data[j]!]!;
  }
  return { ...frames, data };
}

function luma(r: number, g: number, b: number): number {
  return RED * r + GREEN * g + BLUE * b;
}

/**
 * Writes the colour with luma `y` and chroma `red` = R - Y, `blue` = B - Y (Cr and Cb up to scale), with
 * the chroma reduced as far as needed to stay within 0..255.
 */
function putColour(data: Uint8Array, at: number, y: number, red: number, blue: number): void {
  const green = -(RED * red + BLUE * blue) / GREEN;
  const most = Math.max(red, green, blue);
  const least = Math.min(red, green, blue);
  let share = 1;
  if (y + most > 255) share = (255 - y) / most;
  if (y + share * least < 0) share = -y / least;
  data[at] = y + share * red + 0.5;
  data[at + 1] = y + share * green + 0.5;
  data[at + 2] = y + share * blue + 0.5;
}

interface Moments {
  mean: number;
  deviation: number;
}

/** Moments of R - Y and of B - Y over all frames. */
function chromaMoments({ data }: Frames): [Moments, Moments] {
  const sums = [0, 0, 0, 0];
  for (let j = 0; j < data.length; j += 3) {
    const y = luma(data[j]!, data[j + 1]!, data[j + 2]!);
    const [red, blue] = [data[j]! - y, data[j + 2]! - y];
    sums[0]! += red;
    sums[1]! += red * red;
    sums[2]! += blue;
    sums[3]! += blue * blue;
  }
  const count = data.length / 3;
  return [momentsOf(sums[0]!, sums[1]!, count), momentsOf(sums[2]!, sums[3]!, count)];
}

/** Moments of one channel over all frames. */
function moments(data: Uint8Array, channel: number): Moments {
  let [sum, squares] = [0, 0];
  for (let j = channel; j < data.length; j += 3) {
    sum += data[j]!;
    squares += data[j]! ** 2;
  }
  return momentsOf(sum, squares, data.length / 3);
}

function momentsOf(sum: number, squares: number, count: number): Moments {
  const mean = sum / count;
  return { mean, deviation: Math.sqrt(Math.max(0, squares / count - mean * mean)) };
}
