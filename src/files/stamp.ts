/** A text that changes with files: with their names, sizes and times, without reading them. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A line for a file, or for each file in a folder; '' for what does not exist. */
export function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile()) return `${path}\0${stats.size}\0${stats.mtimeMs}\n`;
  if (!stats?.isDirectory()) return '';
  const names = (readdirSync(path, { recursive: true }) as string[]).sort();
  return names
    .map((name) => {
      const inner = statSync(join(path, name), { throwIfNoEntry: false });
      return inner?.isFile() ? `${name}\0${inner.size}\0${inner.mtimeMs}\n` : '';
    })
    .join('');
}
