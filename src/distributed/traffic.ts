/**
 * Bytes that a process sends in a collective over `bytes` between `n` processes: the mean over the
 * processes, for the bandwidth-optimal algorithms, which Gloo and NCCL implement.
 * Source: Thakur et al. 2005, "Optimization of Collective Communication Operations in MPICH"
 */

/** Ring: every process reduces one n-th, then all gather the parts. */
export const allReduceBytes = (n: number, bytes: number): number => (2 * (n - 1) * bytes) / n;

/** Ring: every process reduces one n-th, and sends it to the root. */
export const reduceBytes = (n: number, bytes: number): number =>
  ((n - 1) * bytes) / n + ((n - 1) / n) * (bytes / n);

/** Every process except the root receives everything once, from any other process. */
export const broadcastBytes = (n: number, bytes: number): number => ((n - 1) * bytes) / n;

/** @param bytes   size of the result in each process, n parts */
export const allGatherBytes = (n: number, bytes: number): number => ((n - 1) * bytes) / n;

/** @param bytes   size of the input in each process, one part per process */
export const allToAllBytes = (n: number, bytes: number): number => ((n - 1) * bytes) / n;
