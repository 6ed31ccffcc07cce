/** Figures of steps: means since they were last written down, over all processes. */
import type { StepOutcome } from './loop.js';

/** Sums of one process; plain JSON. */
export interface Sums {
  figures: StepOutcome['figures'];
  totals: Record<(typeof TOTALS)[number], number>;
}

const TOTALS = [
  'steps',
  'samples',
  'tokens',
  'flops',
  'seconds',
  'waitedSeconds',
  'skipped',
  'gradNorm',
] as const;

interface StepCost {
  seconds: number;
  waitedSeconds: number;
  skipped: boolean;
  gradNorm: number;
}

export class Means {
  private current = empty();

  add({ samples, tokens = 0, flops = 0, figures }: StepOutcome, cost: StepCost): void {
    const { totals } = this.current;
    const { skipped, gradNorm, seconds, waitedSeconds } = cost;
    const step = { steps: 1, samples, tokens, flops, seconds, waitedSeconds };
    const one = { ...step, skipped: skipped ? 1 : 0, gradNorm: skipped ? 0 : gradNorm };
    for (const key of TOTALS) totals[key] += one[key];
    if (!skipped) addFigures(this.current.figures, figures);
  }

  /** What this process has seen. */
  sums(): Sums {
    return this.current;
  }

  /** For the progress line. */
  shown(peakFlops?: number): Record<string, number> {
    const { figures, totals } = this.current;
    const { loss } = figures;
    const rates = ratesOf([this.current], totals, peakFlops);
    return loss ? { loss: loss.sum / loss.count, ...rates } : rates;
  }

  /** Means over all processes; the next ones begin anew. */
  take(all: Sums[], peakFlops?: number): Record<string, number> {
    const figures: StepOutcome['figures'] = {};
    for (const sums of all) addFigures(figures, sums.figures);
    const { totals } = this.current;
    const means = Object.entries(figures).map(([name, { sum, count }]) => [name, sum / count]);
    const result = {
      ...Object.fromEntries(means),
      ...ratesOf(all, totals, peakFlops),
      ...(totals.skipped > 0 ? { skipped: totals.skipped } : {}),
    };
    this.current = empty();
    return result;
  }
}

const empty = (): Sums => ({
  figures: {},
  totals: Object.fromEntries(TOTALS.map((key) => [key, 0])) as Sums['totals'],
});

function addFigures(to: StepOutcome['figures'], from: StepOutcome['figures']): void {
  for (const [name, { sum, count }] of Object.entries(from)) {
    const entry = to[name] ?? { sum: 0, count: 0 };
    to[name] = { sum: entry.sum + sum, count: entry.count + count };
  }
}

function ratesOf(all: Sums[], totals: Sums['totals'], peakFlops?: number): Record<string, number> {
  const total = (key: 'samples' | 'tokens' | 'flops') =>
    all.reduce((sum, one) => sum + one.totals[key], 0) / totals.seconds;
  const good = totals.steps - totals.skipped;
  return {
    ...(good > 0 ? { gradNorm: totals.gradNorm / good } : {}),
    samplesPerSecond: total('samples'),
    ...(totals.tokens > 0 ? { tokensPerSecond: total('tokens') } : {}),
    // of what the machine's matrix products can do
    ...(peakFlops && totals.flops > 0
      ? { peakShare: total('flops') / all.length / peakFlops }
      : {}),
    // of the time, how much the model did not wait for data
    busy: 1 - totals.waitedSeconds / totals.seconds,
  };
}
