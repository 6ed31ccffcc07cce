/** Several processes of a job, played in one. */
import { ALONE, type Parallel, splitOf } from '../../src/distributed/parallel.js';
import type { ProcessGroup } from '../../src/distributed/process-group.js';
import { together } from '../../src/distributed/together.js';

/** They share values once all have come; gradients stay their own. */
export function world(size: number): Parallel[] {
  let waiting: { value: unknown; resolve: (all: unknown[]) => void }[] = [];
  const share = <T>(rank: number, value: T): Promise<T[]> =>
    new Promise((resolve) => {
      waiting[rank] = { value, resolve: resolve as (all: unknown[]) => void };
      if (waiting.filter(Boolean).length < size) return;
      const all = waiting;
      waiting = [];
      for (const one of all) one.resolve(all.map((other) => other.value));
    });
  return Array.from({ length: size }, (_, rank) => {
    const group = {
      meet: async () => {},
      shareJson: <T>(value: T) => share(rank, value),
    } as unknown as ProcessGroup;
    return {
      ...ALONE,
      rank,
      size,
      split: (sequenceParallel: number) => splitOf(rank, size, sequenceParallel, []),
      share: <T>(value: T) => share(rank, value),
      together: <T>(work: () => T | Promise<T>) => together(group, work),
    };
  });
}
