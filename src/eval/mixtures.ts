/** Fixed cases of tasks: mixtures that no named task has, and reductions of a certain factor. */
import { resizeDepth } from '../media/depth/resize-depth.js';
import { resizeFrames } from '../media/index.js';
import {
  drawHole,
  everyFrame,
  everyPlace,
  framesAt,
  geometryAt,
  given,
  type Sample,
  TASKS,
  type Task,
  taskOf,
} from '../tasks/index.js';
import { depthAt } from '../tasks/pick.js';

export const MIXTURES: readonly Task[] = [
  {
    ...TASKS.any,
    id: 'any:keys+depth',
    summary: 'three key frames, and the depth of all frames',
    needs: { ...TASKS.any.needs, depth: true },
    fromSample: ({ clip, depth }: Sample) => {
      const last = clip.numFrames - 1;
      const keys = [...new Set([0, Math.round(last / 2), last])];
      return given({
        known: [{ frames: framesAt(clip, keys), at: keys, hole: null }],
        geometry: [geometryAt(depth!, everyPlace(clip.numFrames))],
      });
    },
  },
  {
    ...TASKS.any,
    id: 'any:hole+key',
    summary: 'a clip with a moving hole, whose first frame shows what belongs there',
    fromSample: ({ clip, depth }: Sample, random) => {
      const [first, ...others] = everyPlace(clip.numFrames);
      const part = (at: number[]) => ({
        frames: framesAt(clip, at),
        at,
        hole: null,
        depth: depth && depthAt(depth, at),
      });
      const rest = part(others);
      return given({
        known: [part([first!]), { ...rest, hole: drawHole(rest.frames, random, { moves: true }) }],
      });
    },
  },
];

/** Super-resolution of clean copies, reduced by a certain factor, while training draws factors and damage. */
export const REDUCTIONS: readonly Task[] = [TASKS.isr, TASKS.vsr].flatMap((task: Task) =>
  [2, 3, 4].map((factor) => ({
    ...task,
    id: `${task.id}:${factor}x`,
    summary: `${task.summary}, by ${factor}`,
    fromSample: ({ clip, depth }: Sample) => {
      const size = { width: sideOf(clip.width, factor), height: sideOf(clip.height, factor) };
      const small = resizeFrames(clip, size, 'bicubic');
      return everyFrame(small, { depth: depth && resizeDepth(depth, size) });
    },
  })),
);

const sideOf = (side: number, factor: number): number => Math.max(1, Math.round(side / factor));

/** All cases that can be named beside the tasks themselves. */
export const CASES: readonly Task[] = [...MIXTURES, ...REDUCTIONS];

/** The task that a pipeline is trained on for this one. */
export const trainedTask = (task: Task): Task =>
  CASES.includes(task) ? taskOf(task.id.split(':')[0]!) : task;

/** A task's name in the names of files. */
export const inFileName = (id: string): string => id.replaceAll(/[^\w.-]+/g, '-');
