/** From what a user gives to what is sampled: reading files, fitting them, one window after another. */
import { InputError } from '../errors.js';
import {
  cropDepth,
  type DepthMap,
  expandFrames,
  type Frames,
  fitFrames,
  type Margins,
  type Mask,
  type Media,
  type Size,
} from '../media/index.js';
import {
  cutDepth,
  cutMask,
  expectDepths,
  type Given,
  given,
  TASKS,
  type Target,
  type Task,
  withDepth,
} from '../tasks/index.js';
import { padFrames } from './clip-window.js';
import {
  Fitting,
  fitSizes,
  inWords,
  nextFitting,
  type Shape,
  type Sizes,
  windowFrames,
} from './fitting.js';
import { type Inputs, readInputs } from './inputs.js';
import { expectParts, type UserRequest } from './request.js';
import type { OwnSettings } from './settings.js';
import { knownWithin, OVERLAPS, windowSpans } from './windows.js';

/** What is made at once, of a result that may be longer. */
export interface Window {
  /** of what is made: the user's, or for what follows the task of going on */
  task: Task;
  given: Given;
  /** frames that are made, 4k + 1 */
  numFrames: number;
  /** of these, the first that the result has */
  kept: number;
  /** of these, the first that the window before has too */
  overlap: number;
  last: boolean;
}

export interface Prepared extends Sizes {
  /** of the first window */
  target: Target;
  /** frames a second of the result */
  fps: number;
  /** frames that windows after the first share with the one before */
  overlap: number;
  /** frames of the result, and windows that they are made in; null: told when the input ends */
  numFrames: number | null;
  numWindows: number | null;
  /** what was fitted and how, a line each; the reader of a clip adds to it as it goes on */
  notes: string[];
  /** whose sound goes with the result's frames from its first on */
  audio: string | null;
  /** the input's colours are of full range */
  fullRange: boolean;
  /** what of the input comes before and after what is made */
  before: Frames | null;
  after: Frames | null;
  /** once */
  windows(): AsyncGenerator<Window>;
  /** of the first window, for what it costs */
  first: Given;
  /** ends the reading */
  close(): Promise<void>;
}

/**
 * Reads and checks everything that a task is given. Of a clip that is followed frame by frame only a
 * window is in memory.
 *
 * @throws InputError naming the option or the file, what is wrong with it, and the remedy
 */
export async function prepare(
  task: Task,
  request: UserRequest,
  settings: OwnSettings,
): Promise<Prepared> {
  expectParts(task, request);
  const fitting = new Fitting(request.strict ?? false);
  const inputs = await readInputs(task, request, fitting);
  try {
    const prepared = task.followsInput
      ? await followInput(task, request, settings, fitting, inputs)
      : await goOn(task, request, settings, fitting, inputs);
    return { ...prepared, close: inputs.close };
  } catch (error) {
    await inputs.close();
    throw error;
  }
}

type Plan = Omit<Prepared, 'close'>;

/** Ends are given, or nothing: the result is as long as is asked for. */
async function goOn(
  task: Task,
  request: UserRequest,
  settings: OwnSettings,
  fitting: Fitting,
  { media, depths, fps }: Inputs,
): Promise<Plan> {
  const sizes = fitSizes(task, request, media[0] ?? null, settings, fitting);
  const wanted = task.result === 'image' ? 1 : (request.numFrames ?? settings.numFrames);
  const shaped = media.map((one) => ({ ...one, ...fitted(one, sizes.result, request, fitting) }));
  // the ends are known at their places whatever lies between
  const whole = task.fromInput({ media: shaped, mask: null }, wanted);
  const all = withDepth(
    task,
    whole,
    media,
    depths.map((map) => fittedDepth(map, sizes.result, request, fitting)),
  );
  const tail = all.known.filter(({ at }) => at[0]! > 0);
  const ending = tail.reduce((sum, { at }) => sum + at.length, 0);
  const heads = all.known.reduce((sum, { at }) => sum + at.length, 0) - ending;
  const overlap = OVERLAPS[task.windows];
  // a window has room for what is known, and for more
  const fewest = Math.max(heads, tail.length > 0 ? overlap + ending : 0) + 1;
  const least = nextFitting(wanted > 1 ? Math.max(fewest, 2) : fewest);
  const most = windowFrames(request, wanted, settings, fitting, least);
  const spans = windowSpans(wanted, most, { overlap, ending });
  const windows = spans.map(({ start, made, kept, overlap }, i): Window => {
    const known = knownWithin(all.known, start, kept);
    const joins = known.length > 0 ? TASKS.vtrans : TASKS.vexd;
    return {
      task: i > 0 && task.windows === 'goes on' ? joins : task,
      given: given({ known, depth: i === 0 ? all.depth : true }),
      ...{ numFrames: made, kept, overlap, last: i === spans.length - 1 },
    };
  });
  const goesOn = task.inputs.includes('video');
  return {
    ...{ ...sizes, overlap },
    target: { ...sizes.made, numFrames: spans[0]!.made },
    fps: (goesOn ? fps : null) ?? settings.fps,
    numFrames: wanted,
    numWindows: spans.length,
    notes: fitting.notes,
    audio: goesOn ? request.inputs[0]! : null,
    fullRange: media[0]?.fullRange ?? false,
    ...{ before: all.before, after: all.after },
    async *windows() {
      yield* windows;
    },
    first: windows[0]!.given,
  };
}

/** Every frame of the result is made of a frame of the input. */
async function followInput(
  task: Task,
  request: UserRequest,
  settings: OwnSettings,
  fitting: Fitting,
  inputs: Inputs,
): Promise<Plan> {
  const { followed, depth, depths, media, mask, margins } = inputs;
  const about = followed?.about ?? false;
  const source = followed?.reader ?? { ...depth!, path: request.inputs[0]! };
  const { left = 0, right = 0, top = 0, bottom = 0 } = margins ?? {};
  const input: Shape = {
    path: source.path,
    width: source.width + left + right,
    height: source.height + top + bottom,
  };
  const sizes = fitSizes(task, request, input, settings, fitting);
  const still = task.result === 'image';
  const { numFrames } = request;
  const most = request.window ?? settings.numFrames;
  const available = async (count: number): Promise<number> => {
    const wanted = Math.min(count, numFrames ?? count);
    return followed ? followed.window.count(wanted) : Math.min(wanted, depth!.numFrames);
  };
  const has = async (place: number): Promise<boolean> => (await available(place + 1)) > place;
  const known = followed ? followed.reader.numFrames : depth!.numFrames;
  if (numFrames !== undefined && !still && known !== null && numFrames > known + Number(about)) {
    throw tooFew(input.path, known, numFrames);
  }
  // how many there are, as far as it matters: up to one more than are made at once
  const count = still ? 1 : await available(most + 1);
  if (numFrames !== undefined && count < Math.min(numFrames, most + 1)) {
    throw tooFew(input.path, count, numFrames);
  }
  const made = still ? 1 : windowFrames(request, count, settings, fitting);
  const looks = media.map((one) => fitted(one, sizes.made, request, fitting));
  const wanted = still ? 1 : (numFrames ?? known);

  const windowAt = async (start: number, overlap: number): Promise<Window> => {
    const reach = Math.min(made, (numFrames ?? Number.POSITIVE_INFINITY) - start);
    const frames = await followed?.window.take(start, reach);
    const kept = frames?.numFrames ?? Math.min(reach, depth!.numFrames - start);
    const last = still || kept < made || !(await has(start + made));
    const length = last ? nextFitting(kept) : made;
    const part = frames && expanded(padFrames(frames, length), margins);
    const holes = part?.mask ?? (mask && cutMaskAt(mask, start, length, input.path));
    const shape = part ? shapedTo(part.frames, holes, sizes, request, fitting) : null;
    const media = [...(shape ? [shape.frames] : []), ...looks];
    const shapedDepth = (map: DepthMap) =>
      padDepth(request.size ? fittedDepth(map, sizes.result, request, fitting) : map, length);
    const near = depth ? shapedDepth(cutDepth(depth, start, kept)) : undefined;
    const given = task.fromInput({ media, mask: shape?.mask ?? null, depth: near }, length);
    expectDepths(task, given, media.length, depths.length);
    const ownDepths = depths.map((map) => shapedDepth(depthAt(map, start, kept, input.path)));
    return {
      task,
      given: withDepth(task, given, media, ownDepths),
      ...{ numFrames: length, kept, overlap, last },
    };
  };
  /** What the end of the clip brings to light. */
  const noteEnd = (count: number): void => {
    if (numFrames !== undefined && count < numFrames) {
      fitting.fitted(`${input.path}: has ${count} frames and not the ${numFrames} of --frames`);
    }
    if (numFrames !== undefined || !mask || mask.numFrames === 1) return;
    if (mask.numFrames !== count) {
      fitting.fitted(
        `${mask.path}: has ${mask.numFrames} frames for the ${count} of ${input.path}`,
      );
    }
  };
  const first = await windowAt(0, 0);
  if (!still && known !== null) expectLengths(depths, input.path, { known, about, numFrames });
  const overlap = Math.min(OVERLAPS[task.windows], made - 1);
  const fps = (still ? null : inputs.fps) ?? settings.fps;
  return {
    ...{ ...sizes, overlap },
    target: { ...sizes.made, numFrames: first.numFrames },
    fps,
    numFrames: first.last ? first.kept : wanted,
    numWindows: first.last
      ? 1
      : wanted === null
        ? null
        : windowSpans(wanted, made, { overlap }).length,
    notes: fitting.notes,
    audio: task.inputs[0] === 'video' ? input.path : null,
    fullRange: followed?.reader.fullRange ?? false,
    ...{ before: null, after: null },
    async *windows() {
      let window = first;
      for (let start = 0; ; start += made - overlap) {
        if (start > 0) window = await windowAt(start, overlap);
        if (followed) fitting.notes.push(...followed.reader.notes.splice(0)); // of damage, as it shows
        if (window.last) noteEnd(start + window.kept);
        yield window;
        if (window.last) return;
      }
    },
    first: first.given,
  };
}

const tooFew = (path: string, has: number, wanted: number): InputError =>
  new InputError(
    `--frames: ${path} has ${has} ${has === 1 ? 'frame' : 'frames'}, got ${wanted}; ${has} is the most`,
  );

/** @throws InputError unless depth maps are as long as their input, or as what is made of it */
function expectLengths(
  depths: readonly DepthMap[],
  input: string,
  { known, about, numFrames }: { known: number; about: boolean; numFrames?: number },
): void {
  for (const { path, numFrames: count } of depths) {
    if (count === numFrames || Math.abs(count - known) <= Number(about)) continue;
    throw new InputError(
      `${path}: must have as many frames as ${input} (${known}), got ${count}; give depth of every frame`,
    );
  }
}

/** A picture or a clip in the size that is made, by the stated rule. */
function fitted(
  one: Media,
  size: Sizes['made'],
  { fit = 'crop' }: UserRequest,
  fitting: Fitting,
): Frames {
  const { frames, done } = fitFrames(one, size, fit);
  if (done !== 'unchanged' && done !== 'scaled') fitting.fitted(`${one.path}: ${done} (--fit)`);
  return frames;
}

/** Depth goes the way of its frames. @throws InputError where bars are added, which have no depth */
function fittedDepth(
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
      `${map.path}: --fit pad adds bars that have no depth; use crop or stretch`,
    );
  }
  fitting.fittedOnce(`${map.path}: ${done} the shape of ${inWords(size)} (--fit)`);
  return fit === 'crop' ? cropped : map;
}

/** As near as `fitFrames` takes for the same, or as near as whole pixels of the smaller one allow. */
function sameShape(a: Size, b: Size): boolean {
  const [small, large] = a.width <= b.width ? [a, b] : [b, a];
  const wanted = (large.height * small.width) / large.width;
  return (
    Math.abs(Math.log(small.height / wanted)) < Math.log(1.03) ||
    Math.abs(small.height - wanted) <= 1
  );
}

/** Frames of another shape than the result's, and their mask, in that shape; else as they are. */
function shapedTo(
  frames: Frames,
  mask: Mask | null,
  { result }: Sizes,
  { size, fit = 'crop' }: UserRequest,
  fitting: Fitting,
): { frames: Frames; mask: Mask | null } {
  if (!size || sameShape(frames, result)) return { frames, mask };
  // no larger than they were: of super-resolution's input the small picture is what is kept
  const sides = [frames.width / result.width, frames.height / result.height];
  const scale = Math.min(1, fit === 'crop' ? Math.min(...sides) : Math.max(...sides));
  const shape = {
    width: Math.max(1, Math.round(result.width * scale)),
    height: Math.max(1, Math.round(result.height * scale)),
  };
  const shaped = fitFrames(frames, shape, fit);
  fitting.fittedOnce(`the input is ${shaped.done} for ${inWords(result)} (--fit)`);
  if (!mask) return { frames: shaped.frames, mask };
  const shown = new Uint8Array(mask.data.length * 3);
  for (let i = 0; i < shown.length; i++) shown[i] = 255 * mask.data[Math.floor(i / 3)]!;
  const fittedMask = fitFrames({ ...mask, data: shown }, shape, fit).frames;
  const data = new Uint8Array(fittedMask.data.length / 3);
  for (let i = 0; i < data.length; i++) data[i] = fittedMask.data[i * 3]! > 127 ? 1 : 0;
  if (mask.data.includes(1) && !data.includes(1)) {
    throw new InputError(
      `${mask.path}: all of the part to be made is cut off for ${inWords(result)}; leave out --size, or use --fit pad`,
    );
  }
  return { frames: shaped.frames, mask: { ...mask, ...shape, data } };
}

function expanded(frames: Frames, margins: Margins | null): { frames: Frames; mask: Mask | null } {
  return margins ? expandFrames(frames, margins) : { frames, mask: null };
}

/** The mask of frames `start` to `start + count`; the last frame holds beyond the end. */
function cutMaskAt(mask: Mask, start: number, count: number, input: string): Mask {
  const { width, height, numFrames } = mask;
  if (numFrames === 1) return { ...mask, numFrames: count, data: cutMask(mask, count) };
  if (start >= numFrames) {
    throw new InputError(
      `${mask.path}: has ${numFrames} frames, and ${input} has more; give a mask as long as the clip, or of one frame`,
    );
  }
  const plane = width * height;
  const data = new Uint8Array(count * plane);
  for (let frame = 0; frame < count; frame++) {
    const at = Math.min(start + frame, numFrames - 1);
    data.set(mask.data.subarray(at * plane, (at + 1) * plane), frame * plane);
  }
  return { ...mask, numFrames: count, data };
}

function depthAt(map: DepthMap, start: number, count: number, input: string): DepthMap {
  if (start >= map.numFrames) {
    throw new InputError(
      `${map.path}: has ${map.numFrames} frames, and ${input} has more; give depth of every frame`,
    );
  }
  return cutDepth(map, start, Math.min(count, map.numFrames - start));
}

function padDepth(map: DepthMap, count: number): DepthMap {
  if (map.numFrames >= count) return map;
  const plane = map.width * map.height;
  const data = new Float32Array(count * plane);
  data.set(map.data);
  const last = map.data.subarray((map.numFrames - 1) * plane, map.numFrames * plane);
  for (let frame = map.numFrames; frame < count; frame++) data.set(last, frame * plane);
  return { ...map, numFrames: count, data };
}
