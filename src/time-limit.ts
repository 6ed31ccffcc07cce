/** Interrupts JavaScript that takes too long, such as regular expressions from untrusted files. */
import { createContext, Script } from 'node:vm';

const context = createContext({ work: null });
const script = new Script('work()');

/**
 * The result of `work`, which must be synchronous.
 * @param tooLong   creates the error to throw if `work` takes longer than `limitMs`
 */
export function withTimeLimit<T>(work: () => T, limitMs: number, tooLong: () => Error): T {
  const outer = context.work;
  context.work = work;
  try {
    return script.runInContext(context, { timeout: limitMs }) as T;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'ERR_SCRIPT_EXECUTION_TIMEOUT' ? tooLong() : error;
  } finally {
    context.work = outer;
  }
}
