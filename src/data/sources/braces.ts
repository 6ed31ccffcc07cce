/** Expands patterns of shard names. */
import { InputError } from '../../errors.js';

/** The most shards that a pattern may name. */
const MOST = 100_000;

/**
 * Expands `shard-{000000..000012}.tar` to thirteen names and `{a,b}.tar` to two; a name without braces is
 * returned unchanged.
 *
 * @throws InputError for a range that counts down, and for too many names
 */
export function expandBraces(pattern: string): string[] {
  let names = [''];
  let rest = pattern;
  for (let found = BRACES.exec(rest); found !== null; found = BRACES.exec(rest)) {
    const choices = choicesOf(pattern, found[0]);
    if (names.length * choices.length > MOST) throw tooMany(pattern, names.length * choices.length);
    const before = rest.slice(0, found.index);
    names = names.flatMap((name) => choices.map((choice) => `${name}${before}${choice}`));
    rest = rest.slice(found.index + found[0].length);
  }
  return names.map((name) => `${name}${rest}`);
}

const BRACES = /\{(?:\d+\.\.\d+|[^{},]*(?:,[^{},]*)+)\}/;

function choicesOf(pattern: string, braces: string): string[] {
  const range = /^\{(\d+)\.\.(\d+)\}$/.exec(braces);
  if (range === null) return braces.slice(1, -1).split(',');
  const [first, last] = [Number(range[1]), Number(range[2])];
  if (first > last) throw new InputError(`${pattern}: must count up, got ${braces}`);
  if (last - first >= MOST) throw tooMany(pattern, last - first + 1);
  return Array.from({ length: last - first + 1 }, (_, i) =>
    String(first + i).padStart(range[1]!.length, '0'),
  );
}

const tooMany = (pattern: string, count: number) =>
  new InputError(`${pattern}: must name at most ${MOST} shards, got ${count}; give the folder`);
