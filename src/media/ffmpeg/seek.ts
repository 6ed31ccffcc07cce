/** Reading a file from a time on. */
import { inputArgs } from './input-args.js';
import { describe, timeShown, type VideoInfo } from './probe.js';

/** Where reading begins for what is wanted from a time on. */
export interface Seek {
  /** options of the input */
  input: string[];
  /** what is left to be skipped; time stamps begin at 0 afterwards */
  filters: string[];
}

/** @param start  seconds from the file's beginning on */
export function seekTo({ startSeconds, seekMarginSeconds }: VideoInfo, start: number): Seek {
  const seek = Math.max(0, start - seekMarginSeconds);
  const input = seek > 0 ? ['-ss', `${seek}`] : [];
  if (seek === start) return { input, filters: [] };
  // copyts: times as they are in the file, whatever the version of ffmpeg makes of its beginning
  const begin = startSeconds + start;
  return {
    input: ['-copyts', ...input],
    filters: [`trim=start=${begin}`, `setpts=PTS-${begin}/TB`],
  };
}

/** Time stamp of the first picture at `start` seconds of a file or later. */
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
