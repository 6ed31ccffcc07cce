/** A text that changes with files: with their names, sizes and times, without reading them. */
import { readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';

/** A line for a file, or for each file in a folder; '' for what does not exist. */
export function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return lineOf(path, stats);
  const names = (readdirSync(path, { recursive: true }) as string[]).sort();
  return names
    .map((name) => lineOf(name, statSync(join(path, name), { throwIfNoEntry: false })))
    .join('');
}

const lineOf = (name: string, stats: Stats | undefined): string =>
  stats?.isFile() ? `${name}\0${stats.size}\0${stats.mtimeMs}\n` : '';
