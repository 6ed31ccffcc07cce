/** Counts of bytes for people. */

/** `512 B`, `3.2 MB`, `16.40 GB`: powers of 1000, as disks and the hub count */
export function formatBytes(bytes: number, prefixed?: string): string {
  const names = ['B', 'kB', 'MB', 'GB', 'TB'];
  const own = bytes < 1 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
  const power = prefixed === undefined ? own : names.indexOf(prefixed);
  return `${(bytes / 1000 ** power).toFixed([0, 0, 1, 2, 2][power])} ${names[power]}`;
}
