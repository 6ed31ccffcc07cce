/** Collects the figures of trials, and summarises them as means with standard errors. */
import type { Frames } from '../../media/index.js';
import { FIGURES, type Figure, type FigureId, type Subject, type Tally } from '../figures.js';
import type { Compared, TaskReport, Value } from './types.js';

/** One figure of one contestant, by trial; undefined where it does not apply. */
export type Column = readonly (Tally | undefined)[];

type Unit = Figure['unit'];

/** All figures of all contestants, by trial. */
export class Tallies {
  private readonly columns = new Map<FigureId, Map<string, (Tally | undefined)[]>>();
  private trials = 0;

  /** Adds the figures of the clips of one trial, by contestant. */
  add(clips: ReadonlyMap<string, Frames>, subject: Subject): void {
    for (const { id, of } of FIGURES) {
      for (const [name, clip] of clips) {
        const tally = of(clip, subject);
        if (!tally) continue;
        const byName = this.columns.get(id) ?? new Map<string, (Tally | undefined)[]>();
        const column = byName.get(name) ?? [];
        column[this.trials] = tally;
        this.columns.set(id, byName.set(name, column));
      }
    }
    this.trials += 1;
  }

  /** The columns of one figure, by contestant. */
  of(figure: FigureId): ReadonlyMap<string, Column> {
    return this.columns.get(figure) ?? new Map();
  }

  figures(): TaskReport['figures'] {
    return FIGURES.flatMap(({ id, unit, ...figure }) => {
      const ratio = 'ratio' in figure;
      const entries = [...this.of(id)].flatMap(([name, column]): [string, Value][] => {
        // a ratio to nothing at all is left out
        const empty = column.every((tally) => !tally?.count);
        return empty ? [] : [[name, summary(column, unit, ratio)]];
      });
      return entries.length > 0 ? [{ figure: id, values: Object.fromEntries(entries) }] : [];
    });
  }
}

/**
 * A figure's mean over trials.
 * @param ratio  the figure is a ratio of sums, so it counts trials
 */
export function summary(column: Column, unit: Unit, ratio = false): Value {
  const present = column.filter((tally) => tally !== undefined);
  return {
    value: meanOf(present, unit),
    count: ratio ? present.length : present.reduce((sum, { count }) => sum + count, 0),
    error: standardError(influences(present, unit)),
  };
}

/**
 * How two contestants compare in the trials that both have; null if there is none.
 * @param better  the trials in which `made` is higher, or lower, are won
 */
export function compare(
  name: string,
  made: Column,
  other: Column,
  unit: Unit,
  better: 'higher' | 'lower' = 'higher',
): Compared | null {
  const pairs = other.flatMap((tally, i): [Tally, Tally][] =>
    tally && made[i] ? [[made[i], tally]] : [],
  );
  if (pairs.length === 0) return null;
  const [own, theirs] = [pairs.map(([one]) => one), pairs.map(([, one]) => one)];
  const others = influences(theirs, unit);
  const sign = better === 'higher' ? 1 : -1;
  const each = ({ sum, count }: Tally) => sum / count;
  return {
    name,
    value: meanOf(theirs, unit),
    count: pairs.length,
    made: meanOf(own, unit),
    error: standardError(influences(own, unit).map((one, i) => one - others[i]!)),
    won: pairs.filter(([one, another]) => sign * each(one) > sign * each(another)).length,
  };
}

/**
 * Decibels are averaged as the errors that they stand for: a mean of the decibels themselves would be
 * dominated by the few clips in which nothing moves, for which a copy is exact.
 */
const pooled = ({ sum, count }: Tally, unit: Unit): number =>
  unit === 'dB' ? count * 10 ** (-sum / count / 10) : sum;

function ratioOf(column: readonly Tally[], unit: Unit): { ratio: number; count: number } {
  let [sum, count] = [0, 0];
  for (const tally of column) {
    sum += pooled(tally, unit);
    count += tally.count;
  }
  return { ratio: sum / count, count };
}

function meanOf(column: readonly Tally[], unit: Unit): number {
  const { ratio } = ratioOf(column, unit);
  return unit === 'dB' ? -10 * Math.log10(ratio) : ratio;
}

/**
 * By how much each trial moves the mean, times the number of trials: the mean is a ratio of sums, and in
 * decibels a logarithm of one, linearised about its value.
 *
 * Source: the ratio estimator and the delta method, e.g. Cochran 1977, "Sampling Techniques", section 6.4
 */
function influences(column: readonly Tally[], unit: Unit): number[] {
  const { ratio, count } = ratioOf(column, unit);
  const slope = unit === 'dB' ? -10 / Math.LN10 / ratio : 1;
  const perTrial = count / column.length;
  return column.map((tally) => (slope * (pooled(tally, unit) - ratio * tally.count)) / perTrial);
}

/** Of the mean of values whose sum is 0. */
function standardError(values: readonly number[]): number | null {
  const n = values.length;
  if (n < 2) return null;
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / (n * (n - 1)));
}
