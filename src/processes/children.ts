/** The processes that this program has started, on Linux. */
import { readdirSync, readFileSync } from 'node:fs';

/**
 * Process ids of the children of all threads. Children from before this module was loaded are not
 * ours: they were started by a shell that then replaced itself by `exec mfm`.
 * Source: proc(5), /proc/pid/task/tid/children
 */
export const ownChildren = (): number[] =>
  allChildren().filter((pid) => !childrenBefore.includes(pid));

function allChildren(): number[] {
  try {
    const threads = readdirSync('/proc/self/task');
    const lists = threads.map((id) => readFileSync(`/proc/self/task/${id}/children`, 'utf8'));
    return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
  } catch {
    return []; // another system, or a thread that has just ended
  }
}

/** Process ids of the children that already existed when the program began. */
export const childrenBefore: readonly number[] = allChildren();
