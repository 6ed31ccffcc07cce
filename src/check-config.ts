/** Checks a configuration from a file against its schema. */
import { z } from 'zod';
import { InputError } from './errors.js';

/** A message with several problems, one per line. */
export function listProblems(where: string, problems: readonly string[]): string {
  const count = `${problems.length} problem${problems.length === 1 ? '' : 's'}`;
  return `${where}: ${count}\n${problems.map((problem) => `  ${problem}`).join('\n')}`;
}

/**
 * Checks a configuration, and fills in the defaults.
 *
 * @param where   what the error message begins with, for instance the file
 * @throws InputError naming every key that is unknown or has an invalid value
 */
export function checkConfig<T>(schema: z.ZodType<T>, source: unknown, where: string): T {
  const parsed = schema.safeParse(source, { error: inOurWords });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join('.')}: ${message}` : message,
  );
  throw new InputError(`${where}: ${problems.join('; ')}`, { cause: parsed.error });
}

/**
 * The message for a value that violates its schema, such as `must be at least 1, got 0`; pass this
 * function to `safeParse` as `error`. A schema's own message takes precedence; where this returns
 * undefined, zod's message is used.
 */
export function inOurWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'unrecognized_keys') return `unknown key ${issue.keys.join(', ')}`;
  const rule = ruleOf(issue);
  if (rule === undefined) return undefined;
  if (issue.input === undefined) return `is missing, must be ${rule}`;
  return `must be ${rule}, got ${shown(issue.input)}`;
}

/** What a value must be: `a whole number`, `at most 5`. */
function ruleOf(issue: z.core.$ZodRawIssue | z.core.$ZodIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return NAMES[issue.expected] ?? issue.expected;
    case 'too_big':
      return within(issue.origin, issue.inclusive ? 'at most' : 'below', issue.maximum);
    case 'too_small':
      return within(issue.origin, issue.inclusive ? 'at least' : 'above', issue.minimum);
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    case 'invalid_value': {
      const values = issue.values.map(String);
      return values.length === 1 ? values[0] : `one of ${values.join(', ')}`;
    }
    case 'invalid_format':
      return issue.pattern === undefined ? undefined : `text that matches ${issue.pattern}`;
    case 'invalid_union': {
      const rules = issue.errors.map(([first]) => first?.path.length === 0 && ruleOf(first));
      return rules.length > 0 && rules.every(Boolean)
        ? [...new Set(rules)].join(' or ')
        : undefined;
    }
    default:
      return undefined;
  }
}

const NAMES: Partial<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object of keys and values',
  record: 'an object of keys and values',
};

/** `at most 5`, `a list of at most 5 items`, `text of at most 5 characters` */
function within(origin: string, bound: string, limit: number | bigint): string {
  const plural = limit === 1 ? '' : 's';
  if (origin === 'array') return `a list of ${bound} ${limit} item${plural}`;
  if (origin === 'string') return `text of ${bound} ${limit} character${plural}`;
  return `${bound} ${limit}`;
}

/** The most characters of a value that a message repeats. */
const SHOWN = 60;

function shown(value: unknown): string {
  if (typeof value === 'number') return String(value); // also NaN
  const text = JSON.stringify(value) ?? typeof value;
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
}

/**
 * The schema of a positive whole number.
 * @param most   upper limit, far above published values
 */
export const count = (most: number) => z.int().positive().max(most);
