/** Makes sure that no child process outlives this program. */
import { readFileSync } from 'node:fs';
import { ownChildren } from '../../processes/children.js';

/**
 * Kills child processes, on Linux. Those with their own process group belong to a training job, and
 * end by themselves in an orderly way.
 * Source: proc_pid_stat(5), field 5 (pgrp)
 */
export function endChildren(): void {
  for (const pid of ownChildren()) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
      if (group !== pid) process.kill(pid, 'SIGKILL');
    } catch {
      // it has ended in the meantime
    }
  }
}
