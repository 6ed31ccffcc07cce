/** Does memory grow in long training? Resident memory after 2000 steps and after 200. */
import { setImmediate } from 'node:timers/promises';
import { machineLine, median, verdict } from './measure.js';
import { miniTraining } from './mini.js';

const STEPS = Number(process.argv[2] ?? 2000);
const EARLY = STEPS / 10;

const training = miniTraining();
console.log(machineLine());

/** The median of recent readings, since garbage collection makes single ones jump. */
const recent: number[] = [];
const resident = () => median(recent.slice(-20));
let early = 0;
for (let step = 1; step <= STEPS; step++) {
  training.step();
  await setImmediate();
  recent.push(process.memoryUsage.rss() / 1e6);
  if (step === EARLY) early = resident();
  if (step % EARLY === 0) console.log(`step ${step}: ${resident().toFixed(0)} MB`);
}
const growth = (resident() / early - 1) * 100;
verdict(
  `resident memory after ${STEPS} steps, compared with ${EARLY}: ${growth >= 0 ? '+' : ''}${growth.toFixed(1)}%`,
  growth <= 5,
  'within 5%',
);
