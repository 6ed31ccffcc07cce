/**
 * What depth adds to a training step of the small model: the conditions of a batch with the depth of
 * their known frames, against those without, and the step itself (17 frames, 64x64 by default).
 */
import { miniWorld } from '../src/data/miniworld/index.js';
import { sceneSample } from '../src/data/miniworld/sample.js';
import { RandomStream } from '../src/data/random.js';
import { conditionOf, TASKS, type Task } from '../src/tasks/index.js';
import { fitGiven } from '../src/train/feed/fit-given.js';
import { machineLine, median, secondsOf, verdict } from './measure.js';
import { BATCH, miniTraining } from './mini.js';

const SIZE = Number(process.argv[2] ?? 64);
const ROUNDS = 7;

console.log(machineLine());
const target = { width: SIZE, height: SIZE, numFrames: 17 };
const known = Object.values<Task>(TASKS).filter(
  ({ result, inputs, needs }) => result === 'video' && inputs.length > 0 && !needs.depth,
);
/** Condition inputs as threads give them to the model's thread. */
const batchOf = (withDepth: boolean) =>
  Array.from({ length: BATCH }, (_, seed) => {
    const scene = miniWorld(seed, target);
    const sample = sceneSample(
      scene.scene,
      { ...target, data: scene.frames },
      scene.caption,
      scene,
    );
    const { clip, caption, depth, edit } = sample;
    const without = { ...edit!, sourceDepth: null };
    const own = withDepth
      ? { clip, caption, depth, edit }
      : { clip, caption, depth: null, edit: without };
    const task = known[seed % known.length]!;
    return fitGiven(task.fromSample(own, new RandomStream(seed, 'bench')), target);
  });
const [flat, deep] = [batchOf(false), batchOf(true)];
const conditions = (batch: typeof flat) =>
  secondsOf(() => {
    for (const given of batch) {
      for (const part of Object.values(conditionOf(given, target, { scale: 'clip' })))
        part.dispose();
    }
  });
const training = miniTraining(SIZE);
const times: Record<'step' | 'flat' | 'deep', number[]> = { step: [], flat: [], deep: [] };
for (let round = 0; round <= ROUNDS; round++) {
  // alternating, so that other load on the machine affects all; the first round is a warm-up
  const found = {
    step: secondsOf(() => training.step()),
    flat: conditions(flat),
    deep: conditions(deep),
  };
  if (round > 0) for (const key of ['step', 'flat', 'deep'] as const) times[key].push(found[key]);
  await new Promise(setImmediate);
}
const [step, without, withDepth] = [times.step, times.flat, times.deep].map(median);
const ms = (seconds: number) => `${(1000 * seconds).toFixed(1)} ms`;
console.log(`a step of ${BATCH} clips: ${ms(step!)}`);
console.log(`their conditions: ${ms(without!)} without depth, ${ms(withDepth!)} with`);
const share = (withDepth! - without!) / (step! + without!);
verdict(`depth adds ${(100 * share).toFixed(1)}% to a step`, share < 0.1, 'below 10%');
