/** Natural sort order of names: 2 before 10, and -1 before 0. */

const collator = new Intl.Collator('en', { numeric: true });

/** A hyphen or minus sign followed by digits, at most as many as `ABOVE_ALL` allows. */
const DASHED = /[-\u2212](\d{1,18})(?!\d)/g;
const ABOVE_ALL = 10n ** 18n;

/**
 * Sorts names in natural order; names that compare equal are sorted by their code units.
 *
 * A dash before a number is a minus sign if other names have a number without a dash in the same place:
 * `shot_-1` beside `shot_4`. After a letter, where a dash more often separates words, only a zero there
 * makes it a sign: `shot-1` beside `shot0`. Otherwise it is an ordinary character, as in `shot-2`.
 */
export function inCountingOrder(names: readonly string[]): string[] {
  const counts = new Counts(names);
  const keys = new Map(names.map((name) => [name, sortKey(name, counts)]));
  return [...names].sort(
    (a, b) => collator.compare(keys.get(a)!, keys.get(b)!) || (a < b ? -1 : 1),
  );
}

/** Replaces each negative number by its complement, after a character that sorts before all digits. */
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

/**
 * Prefixes of names that are followed by a number without a
 * dash (`anyAfter`), or by zero (`zeroAfter`).
 */
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
