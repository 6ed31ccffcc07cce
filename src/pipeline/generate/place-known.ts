/** Results from any mixture of known parts and depth, each at its place of the time line. */
import type { Size } from '../../media/index.js';
import { nextFitting } from '../../models/latent-grid.js';
import {
  depthAt,
  framesAt,
  type Geometry,
  type Known,
  planesAt,
  type Task,
} from '../../tasks/index.js';
import type { OwnSettings } from '../settings.js';
import { fitSizes, type Shape } from './fitting.js';
import { planWindows } from './new-clip.js';
import type { Fitting } from './notes.js';
import { type ReadPart, type ReadPlaced, readPlaced } from './read-placed.js';
import type { UserRequest } from './request.js';
import { fittedDepth, shapedKnown } from './shaping.js';
import type { WindowPlan } from './windows.js';

/** Plans a result for which parts are given at places. */
export async function planPlaced(
  task: Task,
  request: UserRequest,
  settings: OwnSettings,
  fitting: Fitting,
): Promise<WindowPlan> {
  const numFrames = task.result === 'image' ? 1 : (request.numFrames ?? settings.numFrames);
  const read = await readPlaced(request, numFrames, fitting);
  const sizes = fitSizes(task, request, shapeOf(read, settings), settings, fitting);
  const { result } = sizes;
  const knownOf = ({ media, at, hole, gray, depth }: ReadPart): Known => ({
    ...shapedKnown(media, hole, result, request, fitting),
    at,
    gray,
    depth: depth && fittedDepth(depth, result, request, fitting),
  });
  const placed = {
    known: read.known.map(knownOf),
    geometry: read.depth.map(
      ({ map, at }): Geometry => ({
        frames: null,
        depth: fittedDepth(map, result, request, fitting),
        at,
      }),
    ),
  };
  const all = task.fromInput({ media: [], mask: null, placed }, numFrames);
  // a few frames more may be made than are kept, for which the last ones are repeated
  const made = nextFitting(numFrames);
  return planWindows(task, request, settings, fitting, {
    sizes,
    numFrames,
    all: {
      ...all,
      known: all.known.map((one) => goneOn(one, numFrames, made)),
      geometry: all.geometry.map((one) => goneOn(one, numFrames, made)),
    },
    fps: read.fps ?? settings.fps,
    audio: read.audio,
    fullRange: read.known[0]?.media.fullRange ?? false,
  });
}

/** What gives the result its shape: the first part that is not small, else the first, else depth. */
function shapeOf({ known, depth }: ReadPlaced, { width, height }: Size): Shape | null {
  const full = known.find(({ media }) => media.width * media.height >= width * height);
  return full?.media ?? known[0]?.media ?? depth[0]?.map ?? null;
}

/** A part whose run reaches the result's last frame, with that repeated up to `made` frames. */
function goneOn<P extends Known | Geometry>(part: P, numFrames: number, made: number): P {
  const { at, frames, depth } = part;
  const count = made - numFrames;
  const goesOn = at.at(-1) === numFrames - 1 && at.at(-2) === numFrames - 2;
  if (count === 0 || !goesOn) return part;
  const last = at.length - 1;
  const indices = [...at.keys(), ...new Array<number>(count).fill(last)];
  const longer = {
    ...part,
    at: [...at, ...Array.from({ length: count }, (_, i) => numFrames + i)],
    frames: frames && framesAt(frames, indices),
    depth: depth && depthAt(depth, indices),
  };
  if (!('hole' in part) || !part.hole) return longer;
  const { width, height } = part.frames;
  return { ...longer, hole: planesAt(part.hole, indices, width * height) };
}
