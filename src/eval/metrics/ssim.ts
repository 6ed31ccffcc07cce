/** Structural similarity of pictures and clips. */
import { InputError } from '../../errors.js';
import type { Frames } from '../../media/index.js';
import { expectAlike } from './expect.js';

/** Radius of a window in pixels. Source: scikit-image, int(3.5 sigma + 0.5) */
const RADIUS = 5;
/** Standard deviation of the Gaussian window in pixels. Source: Wang et al. 2004 */
const SIGMA = 1.5;
/** (0.01 · 255)² and (0.03 · 255)². Source: Wang et al. 2004 */
const [C1, C2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2];

/**
 * Mean structural similarity, 1 for equal clips: computed for each channel of each frame, then averaged.
 * Only windows that lie entirely within the frame are used.
 *
 * @throws InputError if a side is shorter than the window's 11 pixels
 * Source: Wang, Bovik, Sheikh, Simoncelli 2004, "Image quality assessment: from error visibility to
 *   structural similarity". Equals scikit-image's structural_similarity(a, b, gaussian_weights=True,
 *   sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=-1), its mean over frames
 */
export function ssim(clip: Frames, reference: Frames): number {
  expectAlike('ssim', clip, reference);
  const { width, height, numFrames } = clip;
  if (Math.min(width, height) < 2 * RADIUS + 1) {
    throw new InputError(
      `ssim: frames must be at least ${2 * RADIUS + 1} pixels high and wide, got ${width}x${height}`,
    );
  }
  let total = 0;
  for (let frame = 0; frame < numFrames; frame++) {
    for (let channel = 0; channel < 3; channel++) {
      const [x, y] = [channelOf(clip, frame, channel), channelOf(reference, frame, channel)];
      total += planeSsim(x, y, width, height);
    }
  }
  return total / (3 * numFrames);
}

/** One channel of one frame, [H, W]. */
function channelOf({ width, height, data }: Frames, frame: number, channel: number): Float64Array {
  const start = frame * width * height;
  return Float64Array.from({ length: width * height }, (_, p) => data[(start + p) * 3 + channel]!);
}

function planeSsim(x: Float64Array, y: Float64Array, width: number, height: number): number {
  const means = (values: Float64Array) => windowMeans(values, width, height);
  const [meanX, meanY] = [means(x), means(y)];
  const [xx, yy] = [means(x.map((v) => v * v)), means(y.map((v) => v * v))];
  const xy = means(x.map((v, p) => v * y[p]!));
  let total = 0;
  for (let p = 0; p < meanX.length; p++) {
    const [mx, my] = [meanX[p]!, meanY[p]!];
    const variances = xx[p]! - mx * mx + yy[p]! - my * my;
    const covariance = xy[p]! - mx * my;
    total +=
      ((2 * mx * my + C1) * (2 * covariance + C2)) / ((mx * mx + my * my + C1) * (variances + C2));
  }
  return total / meanX.length;
}

const WEIGHTS = (() => {
  const raw = Array.from({ length: 2 * RADIUS + 1 }, (_, i) =>
    Math.exp(-((i - RADIUS) ** 2) / (2 * SIGMA ** 2)),
  );
  const sum = raw.reduce((a, b) => a + b, 0);
  return Float64Array.from(raw, (weight) => weight / sum);
})();

/** Gaussian-weighted means of all windows within the plane, [H - 10, W - 10]. */
function windowMeans(plane: Float64Array, width: number, height: number): Float64Array {
  const [w, h] = [width - 2 * RADIUS, height - 2 * RADIUS];
  const rows = new Float64Array(height * w);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < w; x++) {
      let sum = 0;
      for (let i = 0; i <= 2 * RADIUS; i++) sum += WEIGHTS[i]! * plane[y * width + x + i]!;
      rows[y * w + x] = sum;
    }
  }
  const out = new Float64Array(h * w);
  for (let y = 0; y < h; y++) {
    for (let i = 0; i <= 2 * RADIUS; i++) {
      const from = (y + i) * w;
      for (let x = 0; x < w; x++) out[y * w + x] = out[y * w + x]! + WEIGHTS[i]! * rows[from + x]!;
    }
  }
  return out;
}
