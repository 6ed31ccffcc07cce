/** Several processes of a job, played in one. */
import { ALONE, type Parallel, splitOf } from '../../src/distributed/parallel.js';

/** They share values once all have come; gradients stay their own. */
export function world(size: number): Parallel[] {
  let waiting: { value: unknown; resolve: (all: unknown[]) => void }[] = [];
  return Array.from({ length: size }, (_, rank) => ({
    ...ALONE,
    ...{ rank, size },
    split: (sequenceParallel: number) => splitOf(rank, size, sequenceParallel, []),
    share<T>(value: T): Promise<T[]> {
      return new Promise((resolve) => {
        waiting[rank] = { value, resolve: resolve as (all: unknown[]) => void };
        if (waiting.filter(Boolean).length < size) return;
        const all = waiting;
        waiting = [];
        for (const one of all) one.resolve(all.map((other) => other.value));
      });
    },
  }));
}
