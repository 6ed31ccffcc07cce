/** Reads a file from a given time on. */
import { inputArgs } from './input-args.js';
import { describe, timeShown, type VideoInfo } from './probe.js';

/** The ffmpeg arguments that start reading at a given time. */
export interface Seek {
  /** options of the input */
  input: string[];
  /** filters that skip the rest; after them time stamps begin at 0 */
  filters: string[];
}

/** @param start  seconds from the file's beginning on */
export function seekTo({ startSeconds, seekMarginSeconds }: VideoInfo, start: number): Seek {
  const seek = Math.max(0, start - seekMarginSeconds);
  const input = seek > 0 ? ['-ss', `${seek}`] : [];
  if (seek === start) return { input, filters: [] };
  // copyts: time stamps as in the file; versions of ffmpeg differ in how they treat its beginning
  const begin = startSeconds + start;
  return {
    input: ['-copyts', ...input],
    filters: [`trim=start=${begin}`, `setpts=PTS-${begin}/TB`],
  };
}

/** Time stamp of the first picture at or after `start` seconds from the file's beginning. */
export async function pictureTime(
  path: string,
  info: VideoInfo,
  start: number,
  signal?: AbortSignal,
): Promise<number> {
  const begin = info.startSeconds + start;
  if (start <= info.firstSeconds) return info.startSeconds + info.firstSeconds;
  const { input, filters } = seekTo(info, start);
  const [trim] = filters;
  const show = [...(trim ? [trim] : []), 'showinfo'].join(',');
  const output = ['-map', `0:${info.stream}`, '-frames:v', '1', '-vf', show, '-f', 'null', '-'];
  const inputs = [...input, ...(trim ? [] : ['-copyts']), ...inputArgs(path)];
  return timeShown(await describe(path, inputs, output, signal)) ?? begin;
}
