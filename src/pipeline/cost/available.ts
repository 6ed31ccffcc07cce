/** Memory that is available for networks and what they compute. */
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { MemoryError } from '../../errors.js';
import { formatBytes } from '../../format-bytes.js';
import { memoryOf } from '../../tensor/index.js';

/** Bytes that this process can still take on a device; a GPU's own are not shared with the machine's. */
export const availableOn = (device: string): number => memoryOf(device)?.free ?? availableBytes();

/** Does the device have memory of its own? */
export const hasOwnMemory = (device: string): boolean => memoryOf(device) !== null;

/**
 * Checks that weights fit into the memory of a device, if it has its own: without them nothing can be
 * computed there. What a result takes beyond them is known on the CPU alone.
 *
 * @param weights      bytes of each network
 * @param oneAtATime   only one of them is there at a time
 * @throws MemoryError
 */
export function expectWeightsToFit(
  weights: readonly number[],
  oneAtATime: boolean,
  device: string,
  memory: { free: number; total: number } | null = memoryOf(device),
): void {
  if (!memory) return;
  const needed = oneAtATime ? Math.max(...weights) : weights.reduce((a, b) => a + b, 0);
  if (needed <= memory.free) return;
  const held = memory.total - memory.free;
  throw new MemoryError(
    `\`device: '${device}'\`: the weights need ${formatBytes(needed)}, and ${formatBytes(memory.free)} of its ${formatBytes(memory.total)} is free${held > memory.total / 10 ? ' (nvidia-smi shows what holds the rest)' : ''}; take a smaller pipeline, \`dtype: 'bfloat16'\` or \`device: 'cpu'\``,
    { neededBytes: needed, availableBytes: memory.free, fits: [] },
  );
}

/** Memory that this process can still take without swapping, as its system or container allows. */
export function availableBytes(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  const inContainer = limit > 0 && limit < 2 ** 60 ? limit - process.memoryUsage.rss() : Infinity;
  return Math.min(systemAvailable(), inContainer);
}

/** Free memory, and what the system would release from its caches. */
function systemAvailable(): number {
  try {
    const match = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'));
    if (match) return Number(match[1]) * 1024;
  } catch {
    // not Linux
  }
  return freemem();
}
