/** Results that follow an input frame by frame; only a window of the input is in memory. */
import { InputError } from '../../errors.js';
import {
  type DepthMap,
  expandDepth,
  expandFrames,
  type Frames,
  type Margins,
  type Mask,
} from '../../media/index.js';
import { nextFitting } from '../../models/latent-grid.js';
import { cutDepth, cutMask, expectDepths, type Task, withDepth } from '../../tasks/index.js';
import type { OwnSettings } from '../settings.js';
import { padFrames } from './clip-window.js';
import { fitSizes, type Shape, windowFrames } from './fitting.js';
import { countFollowed, type Inputs, soundOf } from './inputs.js';
import type { Fitting } from './notes.js';
import type { UserRequest } from './request.js';
import { fitted, fittedDepth, shapedTo } from './shaping.js';
import { OVERLAPS, type Window, type WindowPlan, windowSpans } from './windows.js';

/** Plans a result in which every frame is made from the same frame of the input. */
export async function followInput(
  task: Task,
  request: UserRequest,
  settings: OwnSettings,
  fitting: Fitting,
  inputs: Inputs,
): Promise<WindowPlan> {
  const { followed, depth, depths, media, mask, margins } = inputs;
  const source = followed?.reader ?? depth!;
  const { left = 0, right = 0, top = 0, bottom = 0 } = margins ?? {};
  const input: Shape = {
    path: source.path,
    width: source.width + left + right,
    height: source.height + top + bottom,
  };
  const sizes = fitSizes(task, request, input, settings, fitting);
  const still = task.result === 'image';
  const { numFrames } = request;
  const depthFrames = depth === null ? 0 : lengthOf(depth, { still, numFrames, settings, fitting });
  const most = request.window ?? settings.numFrames;
  const available = async (count: number): Promise<number> => {
    const wanted = Math.min(count, numFrames ?? count);
    return followed ? followed.window.count(wanted) : Math.min(wanted, depthFrames);
  };
  const has = async (place: number): Promise<boolean> => (await available(place + 1)) > place;
  const stated = followed?.about ? followed.reader.numFrames : null;
  if (!still && stated !== null) {
    const differs = depths.some((map) => map.numFrames !== numFrames && off(map, stated) > 1);
    if (differs || (numFrames ?? 0) > stated + 1) await countFollowed(followed!, request.signal);
  }
  const known = followed ? followed.reader.numFrames : depthFrames;
  const about = followed?.about ?? false;
  if (numFrames !== undefined && !still && known !== null && numFrames > known + Number(about)) {
    throw tooFew(input.path, known, numFrames);
  }
  // how many frames there are, counted only as far as it matters: one more than a window has
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
    const kept = frames?.numFrames ?? Math.min(reach, depthFrames - start);
    const last = still || kept < made || !(await has(start + made));
    const length = last ? nextFitting(kept) : made;
    const part = frames && expanded(padFrames(frames, length), margins);
    const holes = part?.mask ?? (mask && cutMaskAt(mask, start, length, input.path));
    const shape = part ? shapedTo(part.frames, holes, sizes, request, fitting) : null;
    const seen = shape && !followed!.forDepth ? [shape.frames] : [];
    const media = [...seen, ...looks];
    const shapedDepth = (map: DepthMap) => {
      const whole = margins ? expandDepth(map, margins, source) : map;
      const sized = request.size ? fittedDepth(whole, sizes.result, request, fitting) : whole;
      return padDepth(sized, length);
    };
    const near = depth ? shapedDepth(framesOf(depth, start, kept)) : undefined;
    const depthFrom = followed?.forDepth ? shape?.frames : undefined;
    const parts = { media, mask: shape?.mask ?? null, depth: near, depthFrom };
    const given = task.fromInput(parts, length);
    expectDepths(task, given, media.length, depths.length, settings.depthTasks);
    const ownDepths = depths.map((map) => shapedDepth(depthAt(map, start, kept, input.path)));
    return {
      task,
      given: withDepth(task, given, media, ownDepths, settings.depthTasks),
      numFrames: length,
      kept,
      overlap,
      last,
    };
  };
  /** Notes what is known only when the clip ends. */
  const noteEnd = (count: number): void => {
    if (numFrames !== undefined && count < numFrames) {
      fitting.fitted(
        `${input.path}: has ${count} frames, fewer than the ${numFrames} of \`numFrames\``,
      );
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
    ...sizes,
    overlap,
    target: { ...sizes.made, numFrames: first.numFrames },
    fps,
    numFrames: first.last ? first.kept : wanted,
    numWindows: first.last
      ? 1
      : wanted === null
        ? null
        : windowSpans(wanted, made, { overlap }).length,
    audio:
      task.inputs[0] === 'video' || followed?.forDepth
        ? soundOf(request.inputs[0], followed?.reader, fitting)
        : null,
    fullRange: followed?.reader.fullRange ?? false,
    before: null,
    after: null,
    async *windows() {
      let window = first;
      for (let start = 0; ; start += made - overlap) {
        if (start > 0) window = await windowAt(start, overlap);
        if (followed) fitting.notes(followed.reader.notes.splice(0)); // damage in the file, as it is found
        if (window.last) noteEnd(start + window.kept);
        yield window;
        if (window.last) return;
      }
    },
    first: first.given,
  };
}

/** Frames that depth makes: a single map, of which a clip is asked for, stands still. */
function lengthOf(
  { path, numFrames }: DepthMap,
  asked: { still: boolean; numFrames?: number; settings: OwnSettings; fitting: Fitting },
): number {
  if (asked.still || numFrames > 1) return numFrames;
  const count = asked.numFrames ?? asked.settings.numFrames;
  asked.fitting.note(
    `${path}: is one picture, so its shapes stand still for ${count} frames (\`numFrames\`)`,
  );
  return count;
}

/** Frames `start` to `start + count`; a single map is that of every frame, see `padDepth`. */
const framesOf = (depth: DepthMap, start: number, count: number): DepthMap =>
  depth.numFrames === 1 ? depth : cutDepth(depth, start, count);

const off = (map: DepthMap, numFrames: number): number => Math.abs(map.numFrames - numFrames);

const tooFew = (path: string, has: number, wanted: number): InputError =>
  new InputError(
    `\`numFrames\`: ${path} has ${has} ${has === 1 ? 'frame' : 'frames'}, got ${wanted}; ${has} is the most`,
  );

/** @throws InputError unless depth maps are as long as their input, or as the result */
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

function expanded(frames: Frames, margins: Margins | null): { frames: Frames; mask: Mask | null } {
  return margins ? expandFrames(frames, margins) : { frames, mask: null };
}

/** The mask of frames `start` to `start + count`; its last frame is repeated beyond its end. */
function cutMaskAt(mask: Mask, start: number, count: number, input: string): Mask {
  const { width, height, numFrames } = mask;
  if (numFrames === 1) return { ...mask, numFrames: count, data: cutMask(mask, count) };
  if (start >= numFrames) {
    throw new InputError(
      `${mask.path}: has ${numFrames} frames, and ${input} has more; give a mask as long as the clip, or one with a single frame`,
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
