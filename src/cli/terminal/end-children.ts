/** No program that this one has started outlives it. */
import { readFileSync } from 'node:fs';
import { ownChildren } from '../../processes/children.js';

/**
 * Kills the programs that this one has started, on Linux. Those with a process group of their own are
 * processes of a training, which end in order by themselves.
 * Source: proc_pid_stat(5), field 5 (pgrp)
 */
export function endChildren(): void {
  for (const pid of ownChildren()) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
      if (group !== pid) process.kill(pid, 'SIGKILL');
    } catch {
      // it has ended meanwhile
    }
  }
}
