/**
 * Makes the pictures of the studio's task cards: what a task is given on the left, and what
 * models/mfm-mini made of it on the right, from held-out scenes of MiniWorld. A card's picture holds
 * all frames below each other; the page plays them.
 *
 * node --import tsx scripts/task-pictures.ts [TASK...]
 */
import sharp from 'sharp';
import { MIXTURES } from '../src/eval/mixtures.js';
import { heldOutTrial, targetOf } from '../src/eval/scenes.js';
import { shownDepth } from '../src/eval/strips.js';
import { pipelineMaker, type Trial } from '../src/eval/trials.js';
import { fromRoot } from '../src/files/package-root.js';
import { type Frames, resizeFrames } from '../src/media/index.js';
import { openPipeline } from '../src/pipeline/index.js';
import type { Known } from '../src/tasks/condition-inputs.js';
import { TASKS, type Task, type TaskId } from '../src/tasks/index.js';

/** The scene that each card shows, chosen by eye from the first nine: what a task does must be seen. */
const SCENES: Record<TaskId, number> = {
  t2i: 5,
  t2v: 2,
  i2v: 5,
  vexd: 4,
  itrans: 3,
  vtrans: 4,
  isr: 3,
  vsr: 2,
  icolor: 4,
  vcolor: 5,
  iinp: 7,
  vinp: 6,
  ioutp: 5,
  voutp: 3,
  iedit: 1,
  vedit: 0,
  d2v: 4,
  mtrans: 8,
  any: 3,
};
/** Where words alone are given, the result of another scene stands on the left. */
const SECOND = 7;

const SIDE = 64;
/** What is not known: the colour of paper in both themes. */
const UNKNOWN = [226, 220, 208];

const asked = process.argv.slice(2);
const pipeline = openPipeline(fromRoot('models/mfm-mini'), { device: 'cpu' });
const { make } = pipelineMaker(pipeline, { seed: 7 });

for (const task of Object.values(TASKS) as Task[]) {
  if (asked.length > 0 && !asked.includes(task.id)) continue;
  // of the mixtures, one that has pictures at both ends
  const used = task.id === 'any' ? MIXTURES[0]! : task;
  const target = targetOf(used, pipeline.settings);
  const resultOf = async (scene: number): Promise<[Trial, Frames]> => {
    const trial = heldOutTrial(used, scene, target);
    const [result] = await make(used, [trial], scene, {});
    return [trial, result!];
  };
  const [trial, result] = await resultOf(SCENES[task.id as TaskId]);
  const left = beforeOf(trial) ?? (await resultOf(SECOND))[1];
  await write(`studio/pictures/${task.id}.webp`, left, result);
}

/** What the task is given, frame by frame; null if that is words alone. */
function beforeOf({ given, truth }: Trial): Frames | null {
  const { known, geometry } = given;
  const { frames: source, depth } = geometry[0] ?? { frames: null, depth: null };
  if (source) return source;
  if (depth && known.length > 0) return collage(known[0]!.frames, shownDepth(depth));
  if (depth) return shownDepth(depth);
  if (known.length === 0) return null;
  const shown = known.map((one) => shownKnown(one, truth.numFrames));
  return shown.length === 1 ? shown[0]! : acrossDiagonal(shown[0]!, shown.at(-1)!);
}

/** The known frames as a clip of their own, which stands still where it ends. */
function shownKnown({ frames, hole, gray }: Known, numFrames: number): Frames {
  const data = new Uint8Array(SIDE * SIDE * 3 * numFrames);
  const whole = resizeFrames(frames, { width: SIDE, height: SIDE });
  for (let i = 0; i < SIDE * SIDE * numFrames; i++) {
    const frame = Math.min(Math.floor(i / SIDE / SIDE), whole.numFrames - 1);
    const from = frame * SIDE * SIDE + (i % (SIDE * SIDE));
    const pixel = whole.data.subarray(from * 3, from * 3 + 3);
    const [r = 0, g = 0, b = 0] = pixel;
    const brightness = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
    const unknown = hole && hole[from]! > 0;
    data.set(unknown ? UNKNOWN : gray ? [brightness, brightness, brightness] : pixel, i * 3);
  }
  return { width: SIDE, height: SIDE, numFrames, data };
}

/** The first three pictures that a mixture is given, and its depth, in the quarters of a square. */
function collage(keys: Frames, depth: Frames): Frames {
  const half = { width: SIDE / 2, height: SIDE / 2 };
  const [small, shapes] = [resizeFrames(keys, half), resizeFrames(depth, half)];
  const data = Uint8Array.from(depth.data, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE) % SIDE];
    const within = ((y % half.height) * half.width + (x % half.width)) * 3 + (i % 3);
    const quarter = (y < half.height ? 0 : 2) + (x < half.width ? 0 : 1);
    const frame = quarter === 3 ? Math.floor(i / 3 / SIDE / SIDE) : quarter;
    const from = quarter === 3 ? shapes : small;
    return from.data[frame * half.width * half.height * 3 + within]!;
  });
  return { ...depth, data };
}

/** Two clips in one square: the first above the diagonal, the last below. */
function acrossDiagonal(first: Frames, last: Frames): Frames {
  const data = Uint8Array.from(first.data, (value, i) => {
    const [x, y] = [Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE) % SIDE];
    return x + y < SIDE - 1 ? value : x + y > SIDE ? last.data[i]! : 255;
  });
  return { ...first, data };
}

/** All frames below each other, each with the two clips side by side. */
async function write(path: string, left: Frames, right: Frames): Promise<void> {
  const numFrames = right.numFrames;
  const row = SIDE * 3;
  const data = new Uint8Array(2 * row * SIDE * numFrames);
  for (let y = 0; y < SIDE * numFrames; y++) {
    const from = Math.min(y, left.numFrames * SIDE - SIDE + (y % SIDE)) * row;
    data.set(left.data.subarray(from, from + row), y * 2 * row);
    data.set(right.data.subarray(y * row, (y + 1) * row), y * 2 * row + row);
  }
  const raw = { width: 2 * SIDE, height: SIDE * numFrames, channels: 3 } as const;
  const { size } = await sharp(data, { raw })
    .webp({ quality: 82, effort: 6 })
    .toFile(fromRoot(path));
  console.log(`${path} ${size} bytes`);
}
