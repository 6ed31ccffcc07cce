/**
 * Bytes that a process sends in an exchange of `bytes` between `n` processes: the mean over the
 * processes, of the algorithms that bandwidth asks for and Gloo and NCCL have.
 * Source: Thakur et al. 2005, "Optimization of Collective Communication Operations in MPICH"
 */

/** Ring: every process reduces a part of 1/n, then all gather the parts. */
export const allReduceBytes = (n: number, bytes: number): number => (2 * (n - 1) * bytes) / n;

/** Ring: every process reduces a part of 1/n, and sends it to the root. */
export const reduceBytes = (n: number, bytes: number): number =>
  ((n - 1) * bytes) / n + ((n - 1) / n) * (bytes / n);

/** Each process but the root receives all of it once, from any other. */
export const broadcastBytes = (n: number, bytes: number): number => ((n - 1) * bytes) / n;

/** @param bytes   that a process ends with: n parts */
export const allGatherBytes = (n: number, bytes: number): number => ((n - 1) * bytes) / n;

/** @param bytes   that a process begins with: a part for each */
export const allToAllBytes = (n: number, bytes: number): number => ((n - 1) * bytes) / n;
