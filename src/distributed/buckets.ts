/**
 * Which process owns which parameter, and which gradients are sent together. All processes compute
 * the same result.
 */

/**
 * The owner of each parameter: assigned from the largest down, each to the process with the fewest
 * elements so far.
 *
 * @param sizes   number of elements of each parameter
 * @returns       ranks, in the order of `sizes`
 * Source: Graham 1969, "Bounds on Multiprocessing Timing Anomalies" (longest processing time first)
 */
export function ownersOf(sizes: readonly number[], processes: number): number[] {
  const owners: number[] = Array(sizes.length).fill(0);
  const loads = new Float64Array(processes);
  const largestFirst = sizes.map((_, i) => i).sort((a, b) => sizes[b]! - sizes[a]! || a - b);
  for (const i of largestFirst) {
    let owner = 0;
    for (let other = 1; other < processes; other++) {
      if (loads[other]! < loads[owner]!) owner = other;
    }
    owners[i] = owner;
    loads[owner]! += sizes[i]!;
  }
  return owners;
}

/**
 * Gradients and weights are sent in buckets of about this size.
 * Source: Li et al. 2020, arXiv 2006.15704, section 5
 */
export const BUCKET_BYTES = 25 * 2 ** 20;

/** Parameters, by index, that are sent in one message to one process or to all. */
export interface Part {
  /** null: all processes */
  owner: number | null;
  members: number[];
}

/** Parts that are sent at the same time. */
export type Bucket = Part[];

/**
 * Divides `order` into buckets of at most `bucketElements`; a larger parameter gets its own bucket.
 *
 * @param order    all parameters, in the order in which their gradients become ready
 * @param owners   null: every gradient goes to all processes
 */
export function bucketsOf(
  order: readonly number[],
  sizes: readonly number[],
  { owners, bucketElements }: { owners: readonly number[] | null; bucketElements: number },
): Bucket[] {
  return runsOf(order, sizes, bucketElements).map((members) => {
    if (!owners) return [{ owner: null, members }];
    return [...new Set(members.map((i) => owners[i]!))].map((owner) => ({
      owner,
      members: members.filter((i) => owners[i] === owner),
    }));
  });
}

/** Groups consecutive items up to `limit` elements; a larger item is alone in its group. */
export function runsOf(
  order: readonly number[],
  sizes: readonly number[],
  limit: number,
): number[][] {
  const runs: number[][] = [];
  let total = Infinity;
  for (const i of order) {
    total += sizes[i]!;
    if (total > limit) {
      runs.push([]);
      total = sizes[i]!;
    }
    runs.at(-1)!.push(i);
  }
  return runs;
}
