/** Finds clips whose frame rate varies: their frames are read at the mean rate. */
import { inputArgs } from '../ffmpeg/input-args.js';
import type { VideoInfo } from '../ffmpeg/probe.js';
import type { ReadVideoOptions } from '../frames.js';
import { collectOutput } from './converted.js';

/**
 * How much earlier or later than in the file a frame may be shown, before its sound no longer matches.
 * Source: ITU-R BT.1359, where sound that is 185 ms late is the most that is acceptable
 */
const MOST_DRIFT_SECONDS = 0.2;
/** How much of a clip is examined, since its packets are all read. */
const LOOKED_AT_SECONDS = 600;

/**
 * Does the frame rate vary so much that, read at the mean rate, frames are clearly too early or too late?
 * Nothing is decoded, and nothing is read if ffmpeg sees one rate in the file.
 */
export async function variesInRate(
  path: string,
  { fps, usualFps, stream }: VideoInfo,
  options: ReadVideoOptions,
): Promise<boolean> {
  // at a rate that was asked for, frames are repeated and left out, and stay in time
  if (options.fps !== undefined || options.maxFrames === 1) return false;
  if (fps === null || usualFps === null || Math.abs(usualFps / fps - 1) < 0.01) return false;
  const args = [
    ...['-nostdin', '-v', 'error', ...inputArgs(path), '-map', `0:${stream}`, '-c', 'copy'],
    ...['-t', `${LOOKED_AT_SECONDS}`, '-f', 'framecrc', 'pipe:1'],
  ];
  const { data } = await collectOutput(args, { signal: options.signal });
  const times = packetTimes(data.toString('latin1'));
  return times.length > 2 && driftOf(times) > MOST_DRIFT_SECONDS;
}

/** Times of the packets in seconds, in the order of display, from ffmpeg's list of them. */
function packetTimes(text: string): number[] {
  const [, over = '1', under = '1'] = /^#tb 0: (\d+)\/(\d+)/m.exec(text) ?? [];
  // stream, decoding time, display time, duration, size, checksum
  const lines = text.matchAll(/^0, *-?\d+, *(-?\d+),/gm);
  return Array.from(lines, ([, time]) => (Number(time) * Number(over)) / Number(under)).sort(
    (a, b) => a - b,
  );
}

/** The most that a time is away from where it would be if all were equally far apart. */
function driftOf(times: readonly number[]): number {
  const first = times[0]!;
  const gap = (times.at(-1)! - first) / (times.length - 1);
  return times.reduce((most, time, i) => Math.max(most, Math.abs(time - first - i * gap)), 0);
}

/** The note on such a clip. */
export const variesNote = (path: string): string =>
  `${path}: its frame rate varies; all frames are shown equally long`;
