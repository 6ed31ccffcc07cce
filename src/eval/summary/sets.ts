/** Compares all results of a task with all true clips, as two sets. */
import { FIGURES } from '../figures.js';
import type { Look } from '../metrics/feature-distance.js';
import { kernelDistance } from '../metrics/kernel-distance.js';
import { type TaskReport, TRUTH, type Value, type Values } from './types.js';

/** Features of whole clips by contestant, each beside those of its true clip. */
export class Sets {
  private readonly pairs = new Map<string, { made: Float32Array[]; truth: Float32Array[] }>();

  /** @param looks  of one trial, by contestant, `truth` among them */
  add(looks: ReadonlyMap<string, Look>): void {
    const truth = looks.get(TRUTH)!.pooled;
    for (const [name, { pooled }] of looks) {
      if (name === TRUTH) continue;
      const pair = this.pairs.get(name) ?? { made: [], truth: [] };
      pair.made.push(pooled);
      pair.truth.push(truth);
      this.pairs.set(name, pair);
    }
  }

  /** Kernel distances by contestant; empty for too few trials. */
  values(): Values {
    const entries = [...this.pairs].flatMap(([name, { made, truth }]): [string, Value][] => {
      const found = kernelDistance(made, truth);
      return found ? [[name, found]] : [];
    });
    return Object.fromEntries(entries);
  }
}

/** A task's figures with those of whole sets, in the order of `FIGURES`. */
export function withSets(figures: TaskReport['figures'], sets: Sets): TaskReport['figures'] {
  const values = sets.values();
  if (Object.keys(values).length === 0) return figures;
  const order = FIGURES.map(({ id }) => id);
  return [...figures, { figure: 'kernelDistance' as const, values }].sort(
    (a, b) => order.indexOf(a.figure) - order.indexOf(b.figure),
  );
}
