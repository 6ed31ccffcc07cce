/**
 * Command-line options from a table: parsing, typing and help all read the same entries.
 *
 *     export const args = defineArgs({
 *       positional: { recipe: { describe: 'YAML file', kind: 'text' } },
 *       options: {
 *         prompt: { kind: 'text', short: 'p', describe: 'what to show' },
 *         input: { kind: 'text', short: 'i', repeat: true, describe: 'image or clip' },
 *         size: { kind: 'size', multipleOf: 16, describe: 'width and height' },
 *         steps: { kind: 'integer', min: 1, default: 30, describe: 'sampling steps' },
 *       },
 *     });
 *     export async function run(options: Options<typeof args>) { options.steps; … }
 *
 * An option named `keepLast` is written `--keep-last 3` or `--keep-last=3`; a flag `--x` has the
 * opposite `--no-x`. A positional argument may also be given by name: `--recipe my.yaml`.
 */
import { InputError } from '../../errors.js';
import type { Size } from '../../media/frames.js';
import { LAST_SEED, parseSeed, type Seed } from '../../seed.js';
import { didYouMean } from '../../suggest.js';

/** One `--set a.b=c`. */
export interface Assignment {
  path: string[];
  /** the value, as YAML */
  text: string;
}

interface Common {
  /** one phrase for the help text */
  describe: string;
  /** one letter: `-p` */
  short?: string;
  /** other names that mean the same, as keys: `numFrames` */
  aliases?: readonly string[];
  /** may be given several times; the result is an array, empty if it is not given */
  repeat?: true;
  /** must be given; positional arguments are required unless `optional` */
  required?: true;
  optional?: true;
  /** accepted, but not shown in the help text, e.g. another program's name for an option */
  hidden?: true;
  /** takes every word up to the next option; needs `repeat` */
  many?: true;
}

export type Argument = Common &
  (
    | {
        kind: 'flag';
        default?: boolean;
        /** absent, it counts as given, where that is decided later: help shows how to switch it off */
        isOn?: true;
      }
    | {
        kind: 'text';
        choices?: readonly string[];
        /** what it must look like, and that in words */
        form?: { pattern: RegExp; words: string };
        placeholder?: string;
        default?: string;
      }
    | { kind: 'number' | 'integer'; min?: number; max?: number; default?: number }
    | { kind: 'size'; multipleOf?: number; max?: number; default?: Size }
    | { kind: 'set' }
    | { kind: 'seed' }
  );

export interface ArgumentTable {
  positional?: Record<string, Argument>;
  options?: Record<string, Argument>;
  /** the help command that error messages mention; default: that of the current command */
  help?: string;
}

type Plain<A> = A extends { kind: 'flag' }
  ? boolean
  : A extends { choices: readonly (infer C)[] }
    ? C
    : A extends { kind: 'text' }
      ? string
      : A extends { kind: 'size' }
        ? Size
        : A extends { kind: 'set' }
          ? Assignment
          : A extends { kind: 'seed' }
            ? Seed
            : number;

type Present = { default: unknown } | { required: true };

type Value<A, Given> = A extends { repeat: true }
  ? Plain<A>[]
  : A extends Given
    ? Plain<A>
    : Plain<A> | undefined;

/** What `parseArgs` returns for a table, and what a command's `run` takes. */
export type Options<T extends ArgumentTable> = {
  [K in keyof T['options']]: Value<T['options'][K], Present>;
} & {
  [K in keyof T['positional']]: T['positional'][K] extends { optional: true }
    ? Value<T['positional'][K], { default: unknown }>
    : Value<T['positional'][K], unknown>;
};

/** The table itself; keeps its literal types for `Options`. */
export function defineArgs<const T extends ArgumentTable>(table: T): T {
  return table;
}

/**
 * Reads the words after the command's name.
 *
 * @param where  begins each error message, e.g. `mfm train`
 * @throws InputError for an unknown option or a value that breaks its rule
 */
export function parseArgs<T extends ArgumentTable>(
  where: string,
  table: T,
  words: readonly string[],
): Options<T> {
  const { options = {}, positional = {}, help = `${where} --help` } = table;
  const named = { ...positional, ...options };
  const values: Record<string, unknown> = {};
  const loose: string[] = [];
  const queue = [...words];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') {
      loose.push(...queue.splice(0));
    } else if (word.length < 2 || !word.startsWith('-') || /^-\.?\d/.test(word)) {
      loose.push(word);
    } else {
      const { name, negated, attached } = lookUp(where, named, word, help);
      const argument = named[name]!;
      if (argument.kind === 'flag') {
        if (attached !== undefined) {
          throw new InputError(`${where}: ${flagName(name)} takes no value, got "${attached}"`);
        }
        values[name] = !negated;
      } else {
        const text = attached ?? queue.shift();
        if (text === undefined) throw new InputError(`${where}: ${flagName(name)} needs a value`);
        store(values, name, argument, convert(`${where}: ${flagName(name)}`, argument, text));
        while (argument.many && queue[0] !== undefined && !queue[0].startsWith('-')) {
          const more = queue.shift()!;
          store(values, name, argument, convert(`${where}: ${flagName(name)}`, argument, more));
        }
      }
    }
  }
  takePositional(where, positional, loose, values, help);
  complete(where, options, values);
  return values as Options<T>;
}

/** Finds the option for `--name`, `--name=value`, `--no-name`, `-n` or `-nvalue`. */
function lookUp(where: string, options: Record<string, Argument>, word: string, help: string) {
  if (!word.startsWith('--')) {
    const name = Object.keys(options).find((key) => options[key]!.short === word[1]);
    if (name === undefined) throw unknownOption(where, options, word.slice(0, 2), help);
    const attached = word.length > 2 ? word.slice(word[2] === '=' ? 3 : 2) : undefined;
    return { name, negated: false, attached };
  }
  const equals = word.indexOf('=');
  // some programs write their options with underscores
  const given = (equals < 0 ? word : word.slice(0, equals)).replaceAll('_', '-');
  const attached = equals < 0 ? undefined : word.slice(equals + 1);
  for (const [name, { kind, aliases = [] }] of Object.entries(options)) {
    if ([name, ...aliases].some((key) => given === flagName(key)))
      return { name, negated: false, attached };
    if (kind === 'flag' && given === `--no-${kebab(name)}`)
      return { name, negated: true, attached };
  }
  throw unknownOption(where, options, given, help);
}

function unknownOption(
  where: string,
  options: Record<string, Argument>,
  given: string,
  help: string,
) {
  const hint = didYouMean(given, Object.keys(options).map(flagName));
  return new InputError(
    `${where}: unknown option ${given}${hint || `; see \`${help}\` for all options`}`,
  );
}

function takePositional(
  where: string,
  positional: Record<string, Argument>,
  loose: string[],
  values: Record<string, unknown>,
  help: string,
): void {
  for (const [name, argument] of Object.entries(positional)) {
    if (values[name] !== undefined) continue; // given by its name
    const taken = loose.splice(0, argument.repeat ? loose.length : 1);
    if (taken.length === 0 && !argument.optional) {
      throw new InputError(
        `${where}: ${placeholder(name, argument)} is missing (${argument.describe}); ` +
          `see \`${help}\``,
      );
    }
    if (argument.repeat) values[name] = [];
    for (const text of taken) {
      store(values, name, argument, convert(`${where}: ${name}`, argument, text));
    }
    if (values[name] === undefined && 'default' in argument) values[name] = argument.default;
  }
  if (loose.length > 0) {
    throw new InputError(
      `${where}: "${loose[0]}" is one word too many; a value of several words needs quotes`,
    );
  }
}

/** Fills in defaults and checks that nothing required is missing. */
function complete(
  where: string,
  options: Record<string, Argument>,
  values: Record<string, unknown>,
): void {
  for (const [name, argument] of Object.entries(options)) {
    if (values[name] !== undefined) continue;
    if (argument.required) {
      throw new InputError(`${where}: ${flagName(name)} is missing (${argument.describe})`);
    }
    if (argument.repeat) values[name] = [];
    else if ('default' in argument) values[name] = argument.default;
  }
}

function store(
  values: Record<string, unknown>,
  name: string,
  argument: Argument,
  value: unknown,
): void {
  if (argument.repeat) values[name] = [...((values[name] as unknown[]) ?? []), value];
  else values[name] = value;
}

function convert(where: string, argument: Argument, text: string): unknown {
  switch (argument.kind) {
    case 'text':
      if (argument.form && !argument.form.pattern.test(text)) {
        throw new InputError(`${where}: must be ${argument.form.words}, got "${text}"`);
      }
      if (argument.choices && !argument.choices.includes(text)) {
        const hint = didYouMean(text, argument.choices);
        throw new InputError(
          `${where}: must be one of ${argument.choices.join(', ')}, got "${text}"${hint}`,
        );
      }
      return text;
    case 'number':
    case 'integer':
      return toNumber(where, argument, text);
    case 'size':
      return toSize(where, argument, text);
    case 'set':
      return toAssignment(where, text);
    case 'seed':
      return toSeed(where, text);
    case 'flag':
      return true;
  }
}

function toNumber(
  where: string,
  { kind, min = -Infinity, max = Infinity }: { kind: string; min?: number; max?: number },
  text: string,
): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const isKind = kind === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (isKind && value >= min && value <= max) return value;
  const rule = kind === 'integer' ? 'a whole number' : 'a number';
  let range = '';
  if (min > -Infinity && max < Infinity) range = ` from ${min} to ${max}`;
  else if (min > -Infinity) range = ` of at least ${min}`;
  else if (max < Infinity) range = ` of at most ${max}`;
  throw new InputError(`${where}: must be ${rule}${range}, got "${text}"`);
}

function toSize(
  where: string,
  { multipleOf = 1, max = Infinity }: { multipleOf?: number; max?: number },
  text: string,
): Size {
  const match = /^(\d+)[x×](\d+)$/i.exec(text.trim());
  const width = Number(match?.[1] ?? 0);
  const height = Number(match?.[2] ?? 0);
  if (width === 0 || height === 0) {
    throw new InputError(`${where}: must be WIDTHxHEIGHT in pixels, e.g. 640x352, got "${text}"`);
  }
  if (Math.max(width, height) > max) {
    throw new InputError(`${where}: a side must be at most ${max} pixels, got ${text}`);
  }
  if (width % multipleOf !== 0 || height % multipleOf !== 0) {
    const near = (n: number) => Math.max(multipleOf, Math.round(n / multipleOf) * multipleOf);
    throw new InputError(
      `${where}: width and height must be multiples of ${multipleOf}, got ${text}; ` +
        `the nearest is ${near(width)}x${near(height)}`,
    );
  }
  return { width, height };
}

function toSeed(where: string, text: string): Seed {
  if (text.trim() === '-1') return -1;
  const seed = parseSeed(text);
  if (seed !== null) return seed;
  throw new InputError(
    `${where}: must be a whole number from 0 to ${LAST_SEED}, or -1 for a random one, got "${text}"`,
  );
}

function toAssignment(where: string, text: string): Assignment {
  const equals = text.indexOf('=');
  const path = text.slice(0, Math.max(0, equals)).split('.');
  if (path.some((key) => key.trim() === '')) {
    throw new InputError(`${where}: must be key=value, e.g. transformer.steps=100, got "${text}"`);
  }
  return { path, text: text.slice(equals + 1) };
}

/** @throws InputError for the first of these options that is given: the command `where` takes none of them */
export function expectNone<O extends object>(
  where: string,
  options: O,
  names: readonly (keyof O & string)[],
): void {
  const given = names.find((name) => {
    const value: unknown = options[name];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
  if (given) throw new InputError(`${where}: takes no ${flagName(given)}; leave it out`);
}

/** `keepLast` → `--keep-last` */
export function flagName(name: string): string {
  return `--${kebab(name)}`;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The placeholder for a value in usage lines: `RECIPE`, `WxH`, `N`. */
export function placeholder(name: string, argument: Argument): string {
  if (argument.kind === 'size') return 'WxH';
  if (argument.kind === 'set') return 'KEY=VALUE';
  if (['number', 'integer', 'seed'].includes(argument.kind)) return 'N';
  if (argument.kind === 'text' && argument.placeholder) return argument.placeholder;
  return kebab(name).toUpperCase();
}
