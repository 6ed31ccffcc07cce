/** What the parts of bench/gpu share: their settings, their results, and measuring on a device. */
import { memoryOf, waitFor, zeros } from '../../src/tensor/index.js';
import { median, secondsOf } from '../measure.js';

export interface Context {
  device: string;
  /** tries the part on tiny networks: says nothing of speed */
  small: boolean;
  /** folders of stored results of the reference */
  goldens: readonly string[];
  /** checkout of the public code */
  peer: string | null;
  python: string;
}

export interface Row {
  what: string;
  /** in words, with its unit */
  figure: string;
  /** the same for programs */
  values: Record<string, number | string | boolean>;
  /** false if it should have come out otherwise */
  passed?: boolean;
}

/** A part that needs something that is not there. */
export class Skipped extends Error {}

/** A part's rows, as they are found: what is measured before a time limit ends it is kept. */
export type Part = (context: Context) => AsyncIterable<Row> | Iterable<Row>;

/** Ends when all that was queued on the device has been computed. */
export function settle(device: string): void {
  const one = zeros([1], { device });
  waitFor(one);
  one.dispose();
}

/** Median seconds of runs whose work has ended, after one that warms up. */
export function timed(device: string, run: () => void, rounds = 3): number {
  run();
  settle(device);
  return median(
    Array.from({ length: rounds }, () =>
      secondsOf(() => {
        run();
        settle(device);
      }),
    ),
  );
}

/** Bytes that `work` makes the process take of a GPU, which keeps what it has taken; null elsewhere. */
export function taken(device: string, work: () => void): number | null {
  const before = memoryOf(device)?.free;
  work();
  settle(device);
  const after = memoryOf(device)?.free;
  return before === undefined || after === undefined ? null : before - after;
}

export const gigabytes = (bytes: number | null): string =>
  bytes === null ? 'unknown' : `${(bytes / 1e9).toFixed(2)} GB`;

export const teraflops = (perSecond: number): string => `${(perSecond / 1e12).toFixed(1)} TFLOP/s`;

/** Throws `Skipped` unless the device has room for that much. */
export function expectRoom(device: string, bytes: number): void {
  const memory = memoryOf(device);
  if (!memory || bytes <= memory.free) return;
  throw new Skipped(`needs about ${gigabytes(bytes)}, and ${gigabytes(memory.free)} is free`);
}
