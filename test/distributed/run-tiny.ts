/** Runs fixtures/train-tiny.ts as the processes of a job. */
import assert from 'node:assert/strict';
import type { Case, Report } from './fixtures/train-tiny.js';
import { freePort, ranks } from './processes.js';

export async function runTiny(size: number, job: Case): Promise<Report[]> {
  const port = await freePort();
  const text = JSON.stringify(job);
  const ends = await ranks(size, 'train-tiny.ts', (rank) => [rank, size, port, text]);
  const problems = ends.map(({ code, stderr }) => [code, stderr]);
  assert.deepEqual(problems, Array(size).fill([0, '']));
  return ends.map(({ stdout }) => JSON.parse(stdout) as Report);
}

/** Largest difference, relative to the expected value. */
export const difference = (actual: readonly number[], expected: readonly number[]): number =>
  Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value) / Math.abs(value)));
