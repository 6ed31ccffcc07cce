/** Writes down the samples of steps that were skipped because of their gradients. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointName } from '../run/checkpoint-names.js';
import type { LoopOptions } from './loop-options.js';

/** The most batches that a run dumps: enough to see what they have in common. */
const MOST_DUMPS = 20;

/**
 * Writes `bad-batches/PART-STEP` in the run folder, from every process, as any may hold the bad
 * sample.
 */
export function dumpBatch<Batch>(
  { run, dump, report }: LoopOptions<Batch>,
  batch: Batch,
  why: { part: string; step: number; gradNorm: number; usual: number },
): void {
  const { part, step, gradNorm } = why;
  const { rank, size } = run.parallel;
  if (rank === 0) report.log(`${part} ${step}: skipped, its gradient norm is ${gradNorm}`);
  const name = `${checkpointName(part, step)}${size > 1 ? `-rank${rank}` : ''}`;
  const folder = run.path('bad-batches');
  run.unlessFull(() => {
    mkdirSync(folder, { recursive: true });
    const before = readdirSync(folder).filter((entry) => entry.endsWith('.json')).length;
    if (before < MOST_DUMPS * size) dump?.(batch, join(folder, name), why);
  });
}
