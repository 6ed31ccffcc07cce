/**
 * The time to prepare a training condition (17 frames, 128x128 by default), by task, as a share of
 * a training step of the small model on such clips.
 */
import { miniWorld } from '../src/data/miniworld/index.js';
import { sceneSample } from '../src/data/miniworld/sample.js';
import { RandomStream } from '../src/data/random.js';
import { conditionOf, TASKS, type Task } from '../src/tasks/index.js';
import { machineLine, median, secondsOf, verdict } from './measure.js';
import { BATCH, miniTraining } from './mini.js';

const SIZE = Number(process.argv[2] ?? 128);
const SCENES = 24;
const ROUNDS = 5;

console.log(machineLine());
const target = { width: SIZE, height: SIZE, numFrames: 17 };
const samples = Array.from({ length: SCENES }, (_, seed) => {
  const scene = miniWorld(seed, target);
  const clip = { ...target, data: scene.frames };
  const { depth, edit } = sceneSample(scene.scene, clip, scene.caption, scene);
  // prepared beforehand, since a data set has them in files
  return { clip, caption: scene.caption, depth, edit };
});
const training = miniTraining(SIZE);
training.step();

const tasks = Object.values<Task>(TASKS).filter(({ result }) => result === 'video');
const times = new Map<string, number[]>(tasks.map(({ id }) => [id, []]));
const steps: number[] = [];
for (let round = 0; round <= ROUNDS; round++) {
  // alternating, so that other load on the machine affects both; the first round is a warm-up
  const step = secondsOf(() => training.step()) / BATCH;
  if (round > 0) steps.push(step);
  await new Promise(setImmediate);
  for (const task of tasks) {
    for (const [i, sample] of samples.entries()) {
      const seconds = secondsOf(() => {
        const given = task.fromSample(sample, new RandomStream(i, `bench ${round}`));
        for (const part of Object.values(conditionOf(given, target))) part.dispose();
      });
      if (round > 0) times.get(task.id)!.push(seconds);
    }
  }
}
const step = median(steps);
console.log(`a step of ${BATCH} clips takes ${(1000 * BATCH * step).toFixed(0)} ms`);
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
console.log('time per condition, as a share of a step and of one clip in it:');
const rows = tasks.map(({ id, weight }) => {
  const seconds = mean(times.get(id)!);
  const shares = `${percent(seconds / step / BATCH).padStart(6)} ${percent(seconds / step).padStart(6)}`;
  console.log(`${id.padEnd(8)} ${(1000 * seconds).toFixed(1).padStart(6)} ms ${shares}`);
  return { id, weight, seconds };
});
const worst = Math.max(...rows.map(({ seconds }) => seconds)) / step / BATCH;
verdict(`slowest condition: ${percent(worst)} of a step`, worst < 0.05, 'below 5%');
// all conditions of a batch in sequence, with tasks drawn by their default weights
const total = rows.reduce((sum, { weight }) => sum + weight, 0);
const mixed = rows.reduce((sum, row) => sum + row.weight * row.seconds, 0) / total / step;
verdict(
  `all conditions of a batch, tasks by weight: ${percent(mixed)} of its step`,
  mixed < 0.05,
  'below 5%',
);
