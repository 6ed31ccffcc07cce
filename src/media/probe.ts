/**
 * What ffmpeg says about a video file, read from the text of `ffmpeg -i` so that ffprobe is not
 * needed (the npm package has only ffmpeg).
 */
import { resolve } from 'node:path';
import { InputError } from '../errors.js';
import { firstComplaint, startFfmpeg } from './ffmpeg.js';

export interface VideoInfo {
  /** size as stored: before rotation and before pixels are made square */
  width: number;
  height: number;
  /** mean frames a second; null if the file does not say */
  fps: number | null;
  /** null if the file does not say */
  durationSeconds: number | null;
  pixelFormat: string;
  /** `bt709`, `smpte170m`, `bt2020nc`, …; null if the file does not say */
  colorMatrix: string | null;
  /** `smpte2084` and `arib-std-b67` are high dynamic range */
  highDynamicRange: boolean;
  /** YUV that uses all of 0..255 (JPEG, many cameras), not 16..235 */
  fullRange: boolean;
  hasAudio: boolean;
}

export interface AudioInfo {
  /** null if the file says neither mono nor stereo */
  channels: 1 | 2 | null;
  /** of the file; null if it does not say */
  durationSeconds: number | null;
}

/** `file:` keeps names with a colon or a leading dash from being taken for something else. */
export function inputArgs(path: string): string[] {
  return ['-protocol_whitelist', 'file', '-i', `file:${resolve(path)}`];
}

/** @throws InputError if the file cannot be opened as a video or has no picture in it */
export async function probeVideo(path: string, signal?: AbortSignal): Promise<VideoInfo> {
  return parseProbe(path, await describe(path, signal));
}

/**
 * The first sound in a file with or without pictures; null if it has none.
 *
 * @throws InputError if ffmpeg cannot open the file
 */
export async function probeAudio(path: string, signal?: AbortSignal): Promise<AudioInfo | null> {
  const text = await describe(path, signal);
  const stream = streamsOf(path, text).find((line) => / Audio: /.test(line));
  if (stream === undefined) return null;
  const layout = / Hz, (mono|1 channels|stereo|2 channels)/.exec(stream)?.[1];
  const channels = layout === undefined ? null : /mono|1/.test(layout) ? 1 : 2;
  return { channels, durationSeconds: durationOf(text) };
}

/** The first picture stream in the text that `ffmpeg -i` prints; cover art does not count. */
export function parseProbe(path: string, text: string): VideoInfo {
  const streams = streamsOf(path, text);
  const hasAudio = streams.some((line) => / Audio: /.test(line));
  const video = streams.find((line) => / Video: /.test(line) && !/attached pic/.test(line));
  if (video === undefined) {
    const sound = hasAudio ? 'only sound' : 'no video stream';
    throw new InputError(`${path}: holds ${sound}; give a file with moving pictures`);
  }
  const size = /, (\d+)x(\d+)[\s,]/.exec(`${video},`);
  const format = / Video: .*?, ([a-z]\w+)(?:\(([^)]*)\))?, \d+x\d+/.exec(video);
  if (size === null || format === null) {
    throw new InputError(
      `${path}: its pictures cannot be decoded (${video.split(' Video: ')[1]}); convert it to H.264 mp4`,
    );
  }
  const colors = format[2] ?? '';
  const fps = /, ([\d.]+k?) fps/.exec(video) ?? /, ([\d.]+k?) tbr/.exec(video);
  return {
    width: Number(size[1]),
    height: Number(size[2]),
    fps: fps === null ? null : exactRate(fps[1]!),
    durationSeconds: durationOf(text),
    pixelFormat: format[1]!,
    // "tv, bt709, progressive" or "tv, unknown/bt709/bt709": the matrix comes first
    colorMatrix: /(?:^|, )(bt\d+\w*|smpte\w+|fcc|ycgco|gbr)\b/.exec(colors)?.[1] ?? null,
    highDynamicRange: /smpte2084|arib-std-b67/.test(colors),
    fullRange:
      /^yuvj/.test(format[1]!) ||
      (/^(yuv|nv|p01|gray)/.test(format[1]!) && /(^|, )pc\b/.test(colors)),
    hasAudio,
  };
}

async function describe(path: string, signal?: AbortSignal): Promise<string> {
  const { child, done } = startFfmpeg(['-nostdin', ...inputArgs(path)], { signal });
  child.stdout!.resume();
  const { stderr } = await done;
  signal?.throwIfAborted();
  return stderr;
}

function streamsOf(path: string, text: string): string[] {
  if (!/^Input #0/m.test(text)) {
    throw unreadable(path, text);
  }
  return text.split('\n').filter((line) => /^\s*Stream #0:\d/.test(line));
}

function durationOf(text: string): number | null {
  const duration = /Duration: (\d+):(\d+):([\d.]+)/.exec(text);
  return duration === null
    ? null
    : Number(duration[1]) * 3600 + Number(duration[2]) * 60 + Number(duration[3]);
}

/** ffmpeg prints 29.97 for 30000/1001. */
function exactRate(printed: string): number {
  const rate = printed.endsWith('k') ? Number(printed.slice(0, -1)) * 1000 : Number(printed);
  const ntsc = (Math.round(rate) * 1000) / 1001;
  return Math.abs(rate - ntsc) < 0.006 ? ntsc : rate;
}

export function unreadable(path: string, stderr: string): InputError {
  const misdetected = /misdetection possible/.test(stderr); // nothing in it looks like a video
  if (/moov atom not found/.test(stderr) && !misdetected) {
    return new InputError(
      `${path}: has no index (moov box): cut off or still being written; copy or download it again`,
    );
  }
  const complaint = misdetected
    ? 'no kind of file that ffmpeg knows'
    : firstComplaint(stderr).replace(`file:${resolve(path)}: `, '');
  return new InputError(
    `${path}: cannot be decoded as a video (${complaint || 'ffmpeg gave no reason'}); give another file or convert it to mp4`,
  );
}
