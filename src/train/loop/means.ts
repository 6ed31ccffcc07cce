/** Means over the steps since the last line of metrics, over all processes. */
import type { CommunicationCost } from '../../distributed/cost.js';
import { cat, type Tensor } from '../../tensor/index.js';

/** What one process has summed up since the last line of metrics; plain JSON. */
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
  'communicationSeconds',
  'communicationBytes',
] as const;

interface StepCost {
  seconds: number;
  /** seconds of waiting for data */
  waitedSeconds: number;
  /** communication between processes */
  communication: CommunicationCost;
  skipped: boolean;
  gradNorm: number;
}

export class Means {
  private current = empty();
  /** of steps whose figures are still on the device */
  private measured: Measured[] = [];

  /** @param before   the sums of all processes when the run was stopped, by rank */
  constructor(before: readonly Sums[] = [], { rank, size }: { rank: number; size: number }) {
    if (before.length === size) this.current = before[rank]!;
    // with as many processes as before each takes its own sums, otherwise the first takes all
    else if (rank === 0 && before[0]) {
      this.current = before[0];
      for (const { figures } of before.slice(1)) addFigures(this.current.figures, figures);
    }
  }

  add(outcome: StepOutcome, cost: StepCost): void {
    // on the CPU all is computed already, and nothing waits
    const isHere = outcome.measured?.values.device === 'cpu';
    const { samples, tokens = 0, flops = 0, figures } = isHere ? readOutcome(outcome) : outcome;
    const { measured } = outcome;
    const { totals } = this.current;
    const { skipped, gradNorm, seconds, waitedSeconds, communication } = cost;
    const step = {
      steps: 1,
      samples,
      tokens,
      flops,
      seconds,
      waitedSeconds,
      communicationSeconds: communication.waitedSeconds,
      communicationBytes: communication.bytes,
    };
    const one = { ...step, skipped: skipped ? 1 : 0, gradNorm: skipped ? 0 : gradNorm };
    for (const key of TOTALS) totals[key] += one[key];
    if (!skipped) addFigures(this.current.figures, figures);
    if (measured && !isHere && !skipped) this.measured.push(measured);
    else measured?.values.dispose();
  }

  /** The sums of this process; waits for what the device still computes. */
  sums(): Sums {
    this.settle();
    return this.current;
  }

  /** Reads the figures that are on the device, all at once. */
  private settle(): void {
    const all = measuredTogether(this.measured);
    if (!all) return;
    addFigures(this.current.figures, all.figures(all.values.toFloat32Array()));
    for (const { values } of [all, ...this.measured.splice(0)]) values.dispose();
  }

  /** Frees what has not been read. */
  dispose(): void {
    for (const { values } of this.measured.splice(0)) values.dispose();
  }

  /** The figures of the progress line, of this process alone, as far as they have been read. */
  shown(peakFlops?: number): Record<string, number> {
    const { figures, totals } = this.current;
    const { loss } = figures;
    const rates = ratesOf([this.current], totals, peakFlops);
    return loss ? { loss: loss.sum / loss.count, ...rates } : rates;
  }

  /** The means over all processes; resets the sums. */
  take(all: Sums[], peakFlops?: number): Record<string, number> {
    const figures: StepOutcome['figures'] = {};
    for (const sums of all) addFigures(figures, sums.figures);
    const { totals } = this.current;
    const result = {
      ...meansOf(figures),
      ...ratesOf(all, totals, peakFlops),
      ...(totals.skipped > 0 ? { skipped: totals.skipped } : {}),
      ...(all.length > 1 ? communicationOf(totals) : {}),
    };
    this.current = empty();
    return result;
  }
}

export const meansOf = (figures: StepOutcome['figures']): Record<string, number> =>
  Object.fromEntries(Object.entries(figures).map(([name, { sum, count }]) => [name, sum / count]));

/** Figures as one line: `loss 0.213  busy 0.98`. */
export const formatFigures = (figures: Record<string, number>): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${value >= 10 ? value.toFixed(1) : value.toPrecision(3)}`)
    .join('  ');

const empty = (): Sums => ({
  figures: {},
  totals: Object.fromEntries(TOTALS.map((key) => [key, 0])) as Sums['totals'],
});

/** Figures of a single measurement, as sums of one. */
export const sumsOf = (figures: Record<string, number>): StepOutcome['figures'] =>
  Object.fromEntries(Object.entries(figures).map(([name, sum]) => [name, { sum, count: 1 }]));

export function addFigures(to: StepOutcome['figures'], from: StepOutcome['figures']): void {
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
    // the share of the machine's peak rate of matrix products
    ...(peakFlops && totals.flops > 0
      ? { peakShare: total('flops') / all.length / peakFlops }
      : {}),
    // the share of the time in which the model did not wait for data
    busy: 1 - totals.waitedSeconds / totals.seconds,
  };
}

/** The share of the time that this process spent waiting for others, and the bytes that it sent. */
function communicationOf(totals: Sums['totals']): Record<string, number> {
  const { communicationSeconds, communicationBytes, seconds } = totals;
  return { communicationShare: communicationSeconds / seconds, communicationBytes };
}

/** The result of a step in this process. */
export interface StepOutcome {
  samples: number;
  /** samples of all processes; default: `samples` */
  count?: number;
  tokens?: number;
  /** multiply-adds times two, forward and backward */
  flops?: number;
  /** sums over samples and their number, by the figure's name */
  figures: Record<string, { sum: number; count: number }>;
  /** what becomes figures once the device has computed it; default: nothing */
  measured?: Measured;
}

/** Values on the device that figures follow from. */
export interface Measured {
  /** one dimension */
  values: Tensor;
  figures(values: Float32Array): StepOutcome['figures'];
}

/** Joins values of one dimension that figures follow from; null if there are none. */
export function measuredTogether(parts: readonly Measured[]): Measured | undefined {
  if (parts.length < 2) return parts[0];
  const lengths = parts.map(({ values }) => values.numel);
  return {
    values: cat(parts.map(({ values }) => values)),
    figures(values) {
      const all: StepOutcome['figures'] = {};
      let from = 0;
      for (const [i, { figures }] of parts.entries()) {
        addFigures(all, figures(values.subarray(from, from + lengths[i]!)));
        from += lengths[i]!;
      }
      return all;
    },
  };
}

/** The same outcome with all its figures: waits for what the device still computes. */
export function readOutcome<Outcome extends StepOutcome>(outcome: Outcome): Outcome {
  const { measured } = outcome;
  if (!measured) return outcome;
  const figures = { ...outcome.figures };
  addFigures(figures, measured.figures(measured.values.toFloat32Array()));
  return { ...outcome, figures, measured: undefined };
}
