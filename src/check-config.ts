/** Checks a configuration read from a file against its schema. */
import { z } from 'zod';
import { InputError } from './errors.js';

/** Several problems, a line each. */
export function listProblems(where: string, problems: readonly string[]): string {
  const count = `${problems.length} problem${problems.length === 1 ? '' : 's'}`;
  return `${where}: ${count}\n${problems.map((problem) => `  ${problem}`).join('\n')}`;
}

/**
 * The configuration with its defaults filled in.
 *
 * @param where   starts the message, e.g. the file
 * @throws InputError naming every key that is unknown or has a value that is not followed
 */
export function checkConfig<T>(schema: z.ZodType<T>, source: unknown, where: string): T {
  const parsed = schema.safeParse(source);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join('.')}: ${message}` : message,
  );
  throw new InputError(`${where}: ${problems.join('; ')}`, { cause: parsed.error });
}

/** A whole number of a configuration, from 1 on. @param most   far above what is published */
export const count = (most: number) => z.int().positive().max(most, `must be at most ${most}`);
