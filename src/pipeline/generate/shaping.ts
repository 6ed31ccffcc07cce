/** Crops, pads or stretches inputs of another shape than the result, with their masks and depth. */
import { InputError } from '../../errors.js';
import {
  cropDepth,
  type DepthMap,
  type Frames,
  fitFrames,
  hasSameShape,
  type Mask,
  type Media,
  type Size,
} from '../../media/index.js';
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
  // not enlarged: super-resolution keeps the small picture of its input
  const sides = [frames.width / result.width, frames.height / result.height];
  const scale = Math.min(1, fit === 'crop' ? Math.min(...sides) : Math.max(...sides));
  const shape = {
    width: Math.max(1, Math.round(result.width * scale)),
    height: Math.max(1, Math.round(result.height * scale)),
  };
  const shaped = fitFrames(frames, shape, fit);
  fitting.fittedOnce(`the input is ${shaped.done} for ${inWords(result)} (\`fit\`)`);
  if (!mask) return { frames: shaped.frames, mask };
  const shown = new Uint8Array(mask.data.length * 3);
  for (let i = 0; i < shown.length; i++) shown[i] = 255 * mask.data[Math.floor(i / 3)]!;
  const fittedMask = fitFrames({ ...mask, data: shown }, shape, fit).frames;
  const data = new Uint8Array(fittedMask.data.length / 3);
  for (let i = 0; i < data.length; i++) data[i] = fittedMask.data[i * 3]! > 127 ? 1 : 0;
  if (mask.data.includes(1) && !data.includes(1)) {
    throw new InputError(
      `${mask.path}: the whole part to generate is cut off at ${inWords(result)}; leave out \`size\`, or use \`fit: 'pad'\``,
    );
  }
  return { frames: shaped.frames, mask: { ...mask, ...shape, data } };
}
