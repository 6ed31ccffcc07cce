/** The cost of a result in words. */
import type { Plan } from '../../pipeline/cost/plan.js';
import { sizeInWords } from '../../pipeline/cost/planner.js';
import { formatBytes, formatDuration } from '../terminal/progress.js';
import { aligned } from '../terminal/table.js';

const giga = (count: number): string =>
  count >= 1e9 ? `${(count / 1e9).toFixed(2)} G` : `${(count / 1e6).toFixed(1)} M`;

const flops = (count: number): string =>
  count >= 1e12 ? `${(count / 1e12).toFixed(1)} TFLOP` : `${(count / 1e9).toFixed(1)} GFLOP`;

/** A plan in words: a title, a line for every phase, and a total. */
export function planLines(title: string, plan: Plan, availableBytes: number): string[] {
  const { work, phases, dtype } = plan;
  const steps = work.guidedSteps + work.plainSteps;
  const rows = phases.map(({ phase, part, parameters, bytes, seconds }) => [
    phase,
    part,
    `${giga(parameters)} parameters`,
    formatBytes(bytes),
    phase === 'steps'
      ? `${steps} x ${preciseDuration(plan.stepSeconds)} = ${formatDuration(seconds)}`
      : preciseDuration(seconds),
  ]);
  return [
    `${title} ${sizeInWords(work.target)}, ${dtype}: ${Math.round(work.batches * work.rows)} x ${work.tokens} tokens, ${steps} step${steps === 1 ? '' : 's'} of ${flops(plan.stepFlops)}`,
    ...aligned(rows).map((line) => `  ${line}`),
    `  ${formatBytes(plan.peakBytes)} of memory at its peak, ${formatBytes(availableBytes)} is available; about ${preciseDuration(plan.seconds)}`,
  ];
}

/** Like `formatDuration`, with decimals for short times. */
const preciseDuration = (seconds: number): string =>
  seconds < 10 ? `${seconds.toFixed(seconds < 1 ? 2 : 1)} s` : formatDuration(seconds);
