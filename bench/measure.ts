/** Helpers of the benches: interleaved runs, medians, a line about the machine. */
import { engineInfo } from '../src/tensor/index.js';

/** One line on the machine as this process uses it. */
export function machineLine(): string {
  const { libtorch, kernels, threads, matrixUnits } = engineInfo();
  return `LibTorch ${libtorch}, ${kernels} kernels, ${matrixUnits}, ${threads} threads`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Seconds that `run` takes. */
export function secondsOf(run: () => void): number {
  const start = process.hrtime.bigint();
  run();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/**
 * Runs all in turn, `rounds` times after a warm-up, so that other load slows all of them alike.
 *
 * @returns the seconds of each run by name, one per round
 */
export function interleave<Name extends string>(
  runs: Record<Name, () => void>,
  rounds: number,
): Record<Name, number[]> {
  const names = Object.keys(runs) as Name[];
  const seconds = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    number[]
  >;
  for (const name of names) runs[name]();
  for (let round = 0; round < rounds; round++) {
    for (const name of names) seconds[name].push(secondsOf(runs[name]));
  }
  return seconds;
}

/** Prints a figure, the aim, and whether it is reached. */
export function verdict(figure: string, reached: boolean, aim: string): void {
  console.log(`${figure}; aim: ${aim}: ${reached ? 'reached' : 'MISSED'}`);
}
