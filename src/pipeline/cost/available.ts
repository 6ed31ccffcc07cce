/** Memory that is available for networks and what they compute. */
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { memoryOf } from '../../tensor/index.js';

/** Bytes that this process can still take on a device; a GPU's own are not shared with the machine's. */
export const availableOn = (device: string): number => memoryOf(device)?.free ?? availableBytes();

/** Does the device have memory of its own? */
export const hasOwnMemory = (device: string): boolean => memoryOf(device) !== null;

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
