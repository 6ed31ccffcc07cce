/** No program that this one has started outlives it. */
import { readdirSync, readFileSync } from 'node:fs';

/**
 * Kills the children of all threads, on Linux. Those with a process group of their own are processes
 * of a training, which end in order by themselves.
 * Source: proc(5), /proc/pid/task/tid/children; proc_pid_stat(5), field 5 (pgrp)
 */
export function endChildren(): void {
  for (const pid of children()) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const group = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2];
      if (group !== pid) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // it has ended meanwhile
    }
  }
}

function children(): string[] {
  try {
    const threads = readdirSync('/proc/self/task');
    const lists = threads.map((id) => readFileSync(`/proc/self/task/${id}/children`, 'utf8'));
    return lists.flatMap((list) => list.split(' ').filter((pid) => pid !== ''));
  } catch {
    return []; // another system, or a thread that has just ended
  }
}
