/** Finds the known name that was probably meant by a wrong one. */

/**
 * The end of an error sentence, `; did you mean "learningRate"?`, or '' if no name is close enough.
 * Case, dashes and underscores are ignored; up to about a third of the letters may differ.
 */
export function didYouMean(given: string, known: Iterable<string>): string {
  const name = closest(given, known);
  return name === undefined ? '' : `; did you mean "${name}"?`;
}

/** The known name that differs from `given` by the fewest typing errors, if they are few. */
export function closest(given: string, known: Iterable<string>): string | undefined {
  let best: { name: string; distance: number } | undefined;
  const wanted = plain(given);
  for (const name of known) {
    const candidate = plain(name);
    // "upscale" for "upscale-video": a prefix of three or more letters counts as one error
    const isStart = wanted.length >= 3 && wanted !== candidate && candidate.startsWith(wanted);
    const distance = isStart ? 1 : editDistance(wanted, candidate);
    if (best === undefined || distance < best.distance) best = { name, distance };
  }
  const allowed = Math.max(1, Math.floor(wanted.length / 3));
  return best !== undefined && best.distance <= allowed ? best.name : undefined;
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, '');
}

/** The number of letters to insert, delete, change or swap with a neighbour (Damerau 1964). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const above = rows[i - 1]!;
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, rows[i - 2]![j - 2]! + 1);
      }
      row.push(cost);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
