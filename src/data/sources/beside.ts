/** Finds files that belong to a picture or clip by their names, ignoring case. */
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CAPTIONS, endingOf } from './kinds.js';

/** The path without its extension. */
export const stemOf = (path: string): string => path.slice(0, path.length - endingOf(path).length);

/** Finds captions; each folder is listed once. */
export class Captions {
  /** by folder, then by the stem in lower case */
  private readonly names = new Map<string, Map<string, string[]>>();

  /** `NAME.txt` for `NAME.jpg`, else `NAME.TXT`, `name.caption`, …; null if there is none */
  of(path: string): string | null {
    const folder = dirname(path);
    const names = this.names.get(folder) ?? captionsIn(folder);
    this.names.set(folder, names);
    const stem = basename(stemOf(path));
    const found = names.get(stem.toLowerCase()) ?? [];
    const name = found.find((one) => stemOf(one) === stem) ?? found[0];
    return name === undefined ? null : join(folder, name);
  }
}

/** The captions in a folder by stem; `.txt` before `.TXT` before `.caption`. */
function captionsIn(folder: string): Map<string, string[]> {
  const rank = (name: string) =>
    2 * CAPTIONS.indexOf(endingOf(name)) + (name.endsWith(endingOf(name)) ? 0 : 1);
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((one) => !one.isDirectory() && CAPTIONS.includes(endingOf(one.name)))
    .map(({ name }) => name)
    .sort((a, b) => rank(a) - rank(b));
  const byStem = new Map<string, string[]>();
  for (const name of names) {
    const stem = stemOf(name).toLowerCase();
    byStem.set(stem, [...(byStem.get(stem) ?? []), name]);
  }
  return byStem;
}
