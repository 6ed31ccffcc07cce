/** Selecting names by patterns: `*` stands for any characters, dots too, `?` for one. */
import { InputError } from '../errors.js';
import { closest } from '../suggest.js';

/** Does a name match? A pattern with `*` or `?` must match the whole name; others go to `plain`. */
export function fits(
  name: string,
  pattern: string,
  plain: (name: string, pattern: string) => boolean = (a, b) => a === b,
): boolean {
  if (!/[*?]/.test(pattern)) return plain(name, pattern);
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}

/** The plain pattern `attn1.q_proj` matches `attn1.q_proj` and `blocks.0.attn1.q_proj`. */
export const endsWithName = (name: string, end: string): boolean =>
  name === end || name.endsWith(`.${end}`);

/**
 * The names that match at least one pattern, in their original order.
 *
 * @param kind    what the names stand for, used in the message, e.g. "parameter"
 * @param plain   see `fits`
 * @throws InputError naming a pattern that matches no name, with names to choose from
 */
export function choose(
  names: readonly string[],
  patterns: readonly string[],
  { where, kind, plain }: { where: string; kind: string; plain?: Parameters<typeof fits>[2] },
): Set<string> {
  for (const pattern of patterns) {
    if (names.some((name) => fits(name, pattern, plain))) continue;
    throw new InputError(`${where}: "${pattern}" matches no ${kind}${hint(pattern, names)}`);
  }
  return new Set(names.filter((name) => patterns.some((pattern) => fits(name, pattern, plain))));
}

const SHOWN = 6;

/** Names that may have been meant, indices as *: `; did you mean "q_proj" (as in …)?` */
function hint(pattern: string, names: readonly string[]): string {
  const forms = [...new Set(names.map((name) => name.replace(/\.\d+(?=\.|$)/g, '.*')))];
  const ends = forms.map((form) => form.slice(form.lastIndexOf('.') + 1));
  const near = closest(pattern, [...forms, ...ends]);
  // those that share words with the pattern come first
  const words = (near ?? pattern).split(/[.*?]+/).filter((word) => word.length > 1);
  const shared = (form: string) => words.filter((word) => form.includes(word)).length;
  const shown = [...forms].sort((a, b) => shared(b) - shared(a)).slice(0, SHOWN);
  const list = `${shown.join(', ')}${forms.length > SHOWN ? ', …' : ''}`;
  return near === undefined ? `; there are ${list}` : `; did you mean "${near}" (as in ${list})?`;
}
