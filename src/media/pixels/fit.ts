/**
 * Fits pictures to a size with another aspect ratio.
 */
import { expectFrames, type Frames, hasSameShape, type Size, sliceFrames } from '../frames.js';
import { resizeFrames } from './tensors.js';

/**
 * `crop` scales the picture to cover the size and cuts off the excess equally on both sides; `pad` scales
 * it to fit inside and adds black bars; `stretch` changes the aspect ratio.
 */
export const FIT_WAYS = ['crop', 'pad', 'stretch'] as const;
export type FitWay = (typeof FIT_WAYS)[number];

export interface Fitted {
  frames: Frames;
  /** what was done, worded to follow a file name: `cropped by 12% of its width` */
  done: string;
}

/**
 * Fits frames to exactly `size`, resized as Pillow does it (bicubic).
 *
 * @throws InputError if the sides of the size are not whole numbers above 0
 */
export function fitFrames(frames: Frames, size: Size, how: FitWay): Fitted {
  expectFrames('fitFrames', frames);
  if (frames.width === size.width && frames.height === size.height) {
    return { frames, done: 'unchanged' };
  }
  // above 1 the frames are wider than the size
  const wider = frames.width / frames.height / (size.width / size.height);
  const change = Math.max(wider, 1 / wider);
  const same = hasSameShape(frames, size);
  if (how === 'stretch' || same) {
    const resized = resizeFrames(frames, size);
    const [narrower, shorter] = ['made narrower', 'made less high'];
    const done = same
      ? 'scaled'
      : `stretched: ${wider > 1 ? narrower : shorter} by ${percent(1 - 1 / change)}`;
    return { frames: resized, done };
  }
  const covers = how === 'crop';
  const scale = (covers ? Math.max : Math.min)(
    size.width / frames.width,
    size.height / frames.height,
  );
  const scaled = {
    width: Math.max(1, Math.round(frames.width * scale)),
    height: Math.max(1, Math.round(frames.height * scale)),
  };
  const data = new Uint8Array(frames.numFrames * size.width * size.height * 3);
  const fitted = { ...size, numFrames: frames.numFrames, data };
  // frame by frame, because most of a very wide picture is cut off again
  for (let frame = 0; frame < frames.numFrames; frame++) {
    const picture = resizeFrames(sliceFrames(frames, frame, frame + 1), scaled);
    pasteCentred(picture, sliceFrames(fitted, frame, frame + 1));
  }
  const side = wider > 1 === covers ? 'width' : 'height';
  const done = covers
    ? `cropped by ${percent(1 - 1 / change)} of its ${side}`
    : `padded: ${percent(1 - 1 / change)} of the ${side} is black bars`;
  return { frames: fitted, done };
}

/** Copies the overlap of two pictures whose centres are aligned. */
function pasteCentred(from: Frames, to: Frames): void {
  const width = Math.min(from.width, to.width);
  const height = Math.min(from.height, to.height);
  const start = (outer: Frames, y: number) => {
    const left = Math.floor((outer.width - width) / 2);
    const top = Math.floor((outer.height - height) / 2);
    return ((top + y) * outer.width + left) * 3;
  };
  for (let y = 0; y < height; y++) {
    const at = start(from, y);
    to.data.set(from.data.subarray(at, at + width * 3), start(to, y));
  }
}

/** At most 99%, because something is always left. */
const percent = (share: number): string => `${Math.min(99, Math.round(share * 100))}%`;
