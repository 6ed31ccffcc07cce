/** Work that succeeds in all processes or in none. */
import { DistributedError, InputError, isAbort, JobError } from '../errors.js';
import type { ProcessGroup } from './process-group.js';

type Kind = 'input' | 'job' | 'stop';

/** The outcome of one process's work; plain JSON. */
interface Outcome<T> {
  value?: T;
  problem?: { kind: Kind; message: string };
}

/** See `Parallel.together`. */
export async function together<T>(group: ProcessGroup, work: () => T | Promise<T>): Promise<T[]> {
  let own: unknown = null;
  let outcome: Outcome<T>;
  try {
    outcome = { value: await work() };
  } catch (error) {
    if (error instanceof DistributedError) throw error; // the other processes detect it themselves
    own = error;
    outcome = { problem: { kind: kindOf(error), message: (error as Error).message } };
  }
  await group.meet();
  const all = await group.shareJson(outcome);
  const failed = firstFailed(all);
  if (failed < 0) return all.map(({ value }) => value as T);
  const { kind, message } = all[failed]!.problem!;
  if (own && kindOf(own) === kind) throw own;
  if (kind === 'stop') throw new DOMException(message, 'AbortError');
  const Failure = kind === 'input' ? InputError : JobError;
  throw new Failure(`rank ${failed}: ${message}`);
}

/** A failure takes precedence over a stop, which may be its consequence. */
function firstFailed(all: readonly Outcome<unknown>[]): number {
  const failure = all.findIndex(({ problem }) => problem && problem.kind !== 'stop');
  return failure >= 0 ? failure : all.findIndex(({ problem }) => problem);
}

const kindOf = (error: unknown): Kind =>
  isAbort(error) ? 'stop' : error instanceof InputError ? 'input' : 'job';
