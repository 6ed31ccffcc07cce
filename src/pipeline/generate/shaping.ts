/** Crops, pads or stretches inputs of another shape than the result, with their masks and depth. */
import { InputError } from '../../errors.js';
import {
  cropDepth,
  type DepthMap,
  type FitWay,
  type Frames,
  fitFrames,
  hasSameShape,
  type Mask,
  type Media,
  type Size,
} from '../../media/index.js';
import { type Hole, resizeHole } from '../../media/mask/resize-mask.js';
import { sharesOf } from '../../media/mask/shares.js';
import { inWords, type Sizes } from './fitting.js';
import type { Fitting } from './notes.js';
import type { UserRequest } from './request.js';

/** A picture or a clip at the generated size, fitted as `fit` says. */
export function fitted(
  one: Media,
  size: Sizes['made'],
  { fit = 'crop' }: UserRequest,
  fitting: Fitting,
): Frames {
  const { frames, done } = fitFrames(one, size, fit);
  if (done !== 'unchanged' && done !== 'scaled') fitting.fitted(`${one.path}: ${done} (\`fit\`)`);
  return frames;
}

/** Fits depth like its frames. @throws InputError if bars would be added, as they have no depth */
export function fittedDepth(
  map: DepthMap,
  size: Sizes['made'],
  { fit = 'crop' }: UserRequest,
  fitting: Fitting,
): DepthMap {
  const cropped = cropDepth(map, size);
  if (sameShape(map, size) || cropped === map) return map;
  const done = { crop: 'cropped to', stretch: 'stretched to', pad: '' }[fit];
  if (done === '') {
    throw new InputError(
      `${map.path}: \`fit: 'pad'\` adds bars that have no depth; use crop or stretch`,
    );
  }
  fitting.fittedOnce(`${map.path}: ${done} the shape of ${inWords(size)} (\`fit\`)`);
  return fit === 'crop' ? cropped : map;
}

/** Do both have the same shape, as nearly as whole pixels of the smaller one allow? */
export function sameShape(a: Size, b: Size): boolean {
  const [small, large] = a.width <= b.width ? [a, b] : [b, a];
  const wanted = (large.height * small.width) / large.width;
  return hasSameShape(small, large) || Math.abs(small.height - wanted) <= 1;
}

/** Frames and their mask in the result's shape; unchanged if they have it already. */
export function shapedTo(
  frames: Frames,
  mask: Mask | null,
  { result }: Sizes,
  { size, fit = 'crop' }: UserRequest,
  fitting: Fitting,
): { frames: Frames; mask: Mask | null } {
  if (!size || sameShape(frames, result)) return { frames, mask };
  const shape = unenlarged(frames, result, fit);
  const shaped = fitFrames(frames, shape, fit);
  fitting.fittedOnce(`the input is ${shaped.done} for ${inWords(result)} (\`fit\`)`);
  if (!mask) return { frames: shaped.frames, mask };
  const data = fittedBytes(mask.data, mask, shape, fit).map((value) => (value > 127 ? 1 : 0));
  if (mask.data.includes(1) && !data.includes(1)) {
    throw cutOff(mask.path, result, 'leave out `size`');
  }
  return { frames: shaped.frames, mask: { ...mask, ...shape, data } };
}

/** The size at which frames have the result's shape: not enlarged, as a small picture's is kept. */
function unenlarged(frames: Size, result: Size, fit: FitWay): Size {
  const sides = [frames.width / result.width, frames.height / result.height];
  const scale = Math.min(1, fit === 'crop' ? Math.min(...sides) : Math.max(...sides));
  return {
    width: Math.max(1, Math.round(result.width * scale)),
    height: Math.max(1, Math.round(result.height * scale)),
  };
}

/** A mask, [F, H, W] of 0..1, fitted like its frames, as bytes. */
function fittedBytes(
  mask: Hole,
  { width, height, numFrames }: Size & { numFrames: number },
  shape: Size,
  fit: FitWay,
): Uint8Array {
  const shown = new Uint8Array(mask.length * 3);
  for (let i = 0; i < shown.length; i++) shown[i] = Math.round(255 * mask[Math.floor(i / 3)]!);
  const { data } = fitFrames({ width, height, numFrames, data: shown }, shape, fit).frames;
  return data.filter((_, i) => i % 3 === 0);
}

const cutOff = (path: string, result: Size, remedy: string): InputError =>
  new InputError(
    `${path}: the whole part to generate is cut off at ${inWords(result)}; ${remedy}, or use \`fit: 'pad'\``,
  );

/**
 * A known part and its hole in the result's shape: at the result's size, or at its own if that is
 * smaller, as of a small picture only what it shows is kept.
 */
export function shapedKnown(
  media: Media,
  hole: Hole | null,
  result: Size,
  { fit = 'crop' }: UserRequest,
  fitting: Fitting,
): { frames: Frames; hole: Hole | null } {
  const own = { width: media.width, height: media.height };
  const isSame = sameShape(own, result);
  const shape = isSame ? own : unenlarged(own, result, fit);
  const isSmall = shape.width < result.width && shape.height < result.height;
  const size = isSmall ? shape : result;
  const { frames, done } = fitFrames(media, size, fit);
  if (!isSame) fitting.fitted(`${media.path}: ${done} (\`fit\`)`);
  if (isSmall) {
    fitting.note(
      `${media.path}: is smaller than the result (${inWords(size)}, ${inWords(result)}), so its coarse picture is kept, and finer detail is made`,
    );
  }
  if (!hole) return { frames, hole };
  if (isSame) return { frames, hole: resizeHole(hole, media, size) };
  const bytes = fittedBytes(hole, media, size, fit);
  const fitted = hole instanceof Uint8Array ? sharesOf(bytes.map(sharp)) : sharesOf(bytes);
  if (hole.some((share) => share > 0) && !fitted.some((share) => share > 0)) {
    throw cutOff(`the mask of ${media.path}`, result, 'ask for another `size`');
  }
  return { frames, hole: fitted };
}

const sharp = (value: number): number => (value > 127 ? 255 : 0);
