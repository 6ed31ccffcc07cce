/** Mixtures that no named task has, as fixed cases of the task `any`. */
import {
  drawHole,
  everyPlace,
  framesAt,
  geometryAt,
  given,
  type Sample,
  TASKS,
  type Task,
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

/** The task that a pipeline is trained on for this one. */
export const trainedTask = (task: Task): Task => (MIXTURES.includes(task) ? TASKS.any : task);

/** A task's name in the names of files. */
export const inFileName = (id: string): string => id.replaceAll(/[^\w.-]+/g, '-');
