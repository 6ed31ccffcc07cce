/** Who answers for which parameter, and which gradients travel together. The same everywhere. */

/**
 * The owner of each parameter: the largest first, each to the process that has least so far.
 *
 * @param sizes   elements of each
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
 * Gradients and weights travel in pieces of about this size.
 * Source: Li et al. 2020, arXiv 2006.15704, section 5
 */
export const BUCKET_BYTES = 25 * 2 ** 20;

/** Parameters, by their place in the list, that travel as one piece to one process or to all. */
export interface Part {
  /** null: all processes */
  owner: number | null;
  members: number[];
}

/** Parts that set out together. */
export type Bucket = Part[];

/**
 * Cuts `order` into buckets of at most `bucketElements`, or of one larger parameter.
 *
 * @param order    every parameter, as their gradients come
 * @param owners   null: each gradient goes to all
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

/** Neighbours together, as long as they fit; what is larger than the limit goes alone. */
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
