/** Names in the order people count: 2 before 10, and -1 before 0. */

const collator = new Intl.Collator('en', { numeric: true });

/** A dash, or a minus, and digits: as many as numbers of frames have. */
const DASHED = /[-\u2212](\d{1,18})(?!\d)/g;
const ABOVE_ALL = 10n ** 18n;

/**
 * Sorts names; those that count alike by their letters.
 *
 * A dash before a number is a sign if the set counts on without it: `shot_-1` beside `shot_4`, and
 * after a letter, where a dash parts words more often, `shot-1` beside `shot0`. Else it is no more
 * than a letter, as in `shot-2`.
 */
export function inCountingOrder(names: readonly string[]): string[] {
  const counts = new Counts(names);
  const keys = new Map(names.map((name) => [name, sortKey(name, counts)]));
  return [...names].sort(
    (a, b) => collator.compare(keys.get(a)!, keys.get(b)!) || (a < b ? -1 : 1),
  );
}

/** A number below zero becomes one behind a mark that sorts before all digits. */
function sortKey(name: string, counts: Counts): string {
  return name.replace(DASHED, (dashed: string, digits: string, at: number) => {
    const before = name.slice(0, at);
    const isSign = /\p{Nd}$/u.test(before)
      ? false
      : /\p{L}$/u.test(before)
        ? counts.zeroAfter.has(before)
        : counts.anyAfter.has(before);
    return isSign ? `!${ABOVE_ALL - BigInt(digits)}` : dashed;
  });
}

/** Beginnings of names behind which a number without a dash stands. */
class Counts {
  readonly anyAfter = new Set<string>();
  readonly zeroAfter = new Set<string>();

  constructor(names: readonly string[]) {
    for (const name of names) {
      for (const { 0: digits, index } of name.matchAll(/\d+/g)) {
        const before = name.slice(0, index);
        this.anyAfter.add(before);
        if (/^0+$/.test(digits)) this.zeroAfter.add(before);
      }
    }
  }
}
