/** Numbers in words that fit into a line. */

/** `12 s`, `3 min`, `2 h 5 min` */
export function duration(seconds: number): string {
  if (seconds < 1) return 'a moment';
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return `${Math.floor(minutes / 60)} h${rest ? ` ${rest} min` : ''}`;
}

/** `840 kB`, `1.2 GB` */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export const count = (n: number, one: string, many = `${one}s`): string =>
  `${n} ${n === 1 ? one : many}`;

/** `64 × 64, 17 frames at 8 fps` */
export function extent(media: {
  width: number | null;
  height: number | null;
  num_frames: number | null;
  fps: number | null;
}): string {
  const { width, height, num_frames: frames, fps } = media;
  const parts: string[] = [];
  if (width !== null && height !== null) parts.push(`${width} × ${height}`);
  if (frames !== null && frames > 1) {
    parts.push(count(frames, 'frame') + (fps ? ` at ${Number(fps.toFixed(2))} fps` : ''));
  }
  return parts.join(', ');
}

/** `just now`, `5 min ago`, or the date. @param now  both in seconds */
export function ago(time: number, now: number): string {
  const seconds = now - time;
  if (seconds < 60) return 'just now';
  if (seconds < 86_400) return `${duration(seconds)} ago`;
  return new Date(time * 1000).toLocaleDateString(undefined, { day: 'numeric', month: 'long' });
}

/** A sentence that begins with a file's path, with the file's name alone. */
export const withoutFolders = (sentence: string): string =>
  sentence.replace(/^[^\s:]*\/(?=[^\s:/]+:)/, '');

/** A value of a request, such as a list or media, as text. */
export function inWords(value: unknown): string {
  if (Array.isArray(value)) return value.map(inWords).join(', ');
  if (value === null) return 'none';
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .filter(([, inner]) => inner !== null)
    .map(([name, inner]) =>
      ['file_id', 'video_id'].includes(name) ? inWords(inner) : `${name} ${inWords(inner)}`,
    )
    .join(' ');
}
