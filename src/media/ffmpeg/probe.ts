/**
 * Reads the properties of a video file from the description that ffmpeg prints of its input, so that
 * ffprobe is not needed (the npm package has only ffmpeg).
 */
import { resolve } from 'node:path';
import { InputError } from '../../errors.js';
import { firstComplaint, STALL_MS, startFfmpeg } from './ffmpeg.js';
import { inputArgs } from './input-args.js';
import { defaultOf, parseStreams, pictureStreams, type Stream, soundStream } from './streams.js';

export interface VideoInfo {
  /** index of the stream that is read: the default video stream */
  stream: number;
  /** number of video streams, not counting cover art */
  numStreams: number;
  /** size as stored: before rotation and before pixels are made square */
  width: number;
  height: number;
  /** mean frame rate; null if the file does not state it */
  fps: number | null;
  /** the rate at which most frames seem to follow one another; differs from `fps` if that varies */
  usualFps: number | null;
  /** null if the file does not state it */
  durationSeconds: number | null;
  codec: string;
  pixelFormat: string;
  /** `bt709`, `smpte170m`, `bt2020nc`, …; null if the file does not state it */
  colorMatrix: string | null;
  /** the transfer function if it is high dynamic range, else null */
  highDynamicRange: 'PQ' | 'HLG' | null;
  /** full-range YUV, 0..255 (JPEG, many cameras), rather than 16..235 */
  fullRange: boolean;
  /** its frames hold two fields of different times, in alternating lines */
  interlaced: boolean;
  /** there is an alpha channel, which may be opaque everywhere */
  hasAlpha: boolean;
  /** its metadata asks for rotation or mirroring */
  isTurned: boolean;
  /** time stamp of the file's beginning, from which `start` counts */
  startSeconds: number;
  /** when the first picture is shown, from the file's beginning on */
  firstSeconds: number;
  /** how far before the wanted time a seek must aim; infinite if seeking is impossible */
  seekMarginSeconds: number;
  hasAudio: boolean;
}

export interface AudioInfo {
  /** index of the stream */
  stream: number;
  /** null if it is neither mono nor stereo */
  channels: 1 | 2 | null;
  /** duration of the file; null if it does not state it */
  durationSeconds: number | null;
  /** time stamp of the first sample; null if it has none */
  firstTime: number | null;
  /** the file has a video stream too */
  hasPictures: boolean;
}

/** How many frames are examined: a film may begin with a few that are not interlaced. */
const LOOKED_AT = 4;

/** @throws InputError if the file cannot be opened as a video or has no pictures */
export async function probeVideo(path: string, signal?: AbortSignal): Promise<VideoInfo> {
  // copyts: time stamps as they are in the file
  const inputs = ['-copyts', ...inputArgs(path)];
  const text = await describe(path, inputs, firstPictures('0:V:0?'), signal);
  const info = parseProbe(path, text);
  const [first] = pictureStreams(streamsOf(path, text));
  if (info.stream === first!.index) return info;
  const outputs = firstPictures(`0:${info.stream}`);
  return parseProbe(path, await describe(path, inputs, outputs, signal));
}

/** Longest interval between keyframes in broadcasts and recordings, in seconds. */
const KEY_FRAMES_SECONDS = 15;

/** In MPEG streams a seek may land on any frame, and all frames before the next keyframe are lost. */
function seekMargin(text: string): number {
  const [, format = ''] = /^Input #0, (\w+)/m.exec(text) ?? [];
  if (/^(mpeg|mpegts|mpegtsraw)$/.test(format)) return KEY_FRAMES_SECONDS;
  return RAW_STREAMS.has(format) ? Number.POSITIVE_INFINITY : 0;
}

/** Formats without time stamps. */
const RAW_STREAMS = new Set([
  ...['h261', 'h263', 'h264', 'hevc', 'vvc', 'evc', 'obu', 'm4v', 'mpegvideo', 'mjpeg', 'vc1'],
  ...['cavsvideo', 'avs2', 'avs3', 'dirac', 'dnxhd'],
]);

/**
 * The default audio stream of a file with or without pictures; null if it has none.
 *
 * @throws InputError if ffmpeg cannot open the file
 */
export async function probeAudio(path: string, signal?: AbortSignal): Promise<AudioInfo | null> {
  const inputs = ['-copyts', ...inputArgs(path)];
  const text = await describe(path, inputs, firstSamples('0:a:0?'), signal);
  const streams = streamsOf(path, text);
  const stream = soundStream(streams);
  if (stream === null) return null;
  const isFirst = streams.find(({ line }) => / Audio: /.test(line)) === stream;
  const shown = isFirst
    ? text
    : await describe(path, inputs, firstSamples(`0:${stream.index}`), signal);
  const layout = / Hz, (mono|1 channels|stereo|2 channels)/.exec(stream.line)?.[1];
  return {
    stream: stream.index,
    channels: layout === undefined ? null : /mono|1/.test(layout) ? 1 : 2,
    durationSeconds: durationOf(text),
    firstTime: timeShown(shown),
    hasPictures: pictureStreams(streams).length > 0,
  };
}

/** Parses the text that ffmpeg prints about a file and its first frames, for the default video stream. */
export function parseProbe(path: string, text: string): VideoInfo {
  const streams = streamsOf(path, text);
  const hasAudio = soundStream(streams) !== null;
  const pictures = pictureStreams(streams);
  const video = defaultOf(pictures);
  if (video === null) {
    const sound = hasAudio ? 'only sound' : 'no video stream';
    throw new InputError(`${path}: holds ${sound}; give a file with moving pictures`);
  }
  const { line, details } = video;
  const size = /, (\d+)x(\d+)[\s,]/.exec(`${line},`);
  const format = / Video: (\w+).*?, ([a-z]\w+)(?:\(((?:[^()]|\([^()]*\))*)\))?, \d+x\d+/.exec(line);
  if (size === null || format === null) {
    throw new InputError(
      `${path}: its pictures cannot be decoded (${line.split(' Video: ')[1]}); ${remedy(line)}`,
    );
  }
  const [, codec, pixelFormat] = format as unknown as [string, string, string];
  const colors = format[3] ?? '';
  const transfer = /smpte2084|arib-std-b67/.exec(colors)?.[0];
  const shown = timeShown(text);
  const startSeconds = Number(/ start: (-?[\d.]+)/.exec(text)?.[1] ?? shown ?? 0);
  const usualFps = /, ([\d.]+k?) tbr/.exec(line);
  const fps = /, ([\d.]+k?) fps/.exec(line) ?? usualFps;
  return {
    stream: video.index,
    numStreams: pictures.length,
    width: Number(size[1]),
    height: Number(size[2]),
    fps: fps === null ? null : exactRate(fps[1]!),
    usualFps: usualFps === null ? null : exactRate(usualFps[1]!),
    durationSeconds: durationOf(text),
    codec,
    pixelFormat,
    // "tv, bt709, progressive" or "tv, unknown/bt709/bt709": the matrix comes first
    colorMatrix: /(?:^|, )(bt\d+\w*|smpte\w+|fcc|ycgco|gbr)\b/.exec(colors)?.[1] ?? null,
    highDynamicRange: transfer ? (transfer === 'smpte2084' ? 'PQ' : 'HLG') : null,
    fullRange:
      /^yuvj/.test(pixelFormat) ||
      (/^(yuv|nv|p01|gray)/.test(pixelFormat) && /(^|, )pc\b/.test(colors)),
    // stated for the stream, or shown by its first frames (DV and older files do not state it)
    interlaced: /(top|bottom)( coded)? first/.test(colors) || / i:[TB] /.test(text),
    hasAlpha: ALPHA.test(pixelFormat) || /^\s*alpha_mode\s*: 1/im.test(details),
    isTurned: /displaymatrix:/i.test(details),
    startSeconds,
    firstSeconds: Math.max(0, shown === null ? 0 : shown - startSeconds),
    seekMarginSeconds: seekMargin(text),
    hasAudio,
  };
}

/** Pixel formats with alpha; a palette may have it. */
const ALPHA = /^(yuva|gbrap|rgba|bgra|argb|abgr|ya8|ya16|vuya|ayuv|pal8|gray\w*a)/;

const remedy = (line: string): string =>
  /Video: av1/.test(line)
    ? 'this ffmpeg has no decoder for AV1; install version 5 or newer, or convert it to H.264 mp4'
    : 'convert it to H.264 mp4';

/** Long enough for ffmpeg's description of an input with all of its chapters. */
const DESCRIPTION_LENGTH = 2 ** 20;

/**
 * The text that ffmpeg prints about its inputs while it decodes them to a null output.
 *
 * @throws InputError if ffmpeg stalls
 */
export async function describe(
  path: string,
  inputs: string[],
  outputs: string[],
  signal?: AbortSignal,
): Promise<string> {
  // there may be hundreds of chapters before the streams; do not print them again for the output
  const bare = ['-map_chapters', '-1', '-map_metadata', '-1'];
  const args = ['-nostdin', '-nostats', ...inputs, ...bare, ...outputs];
  const { child, done } = startFfmpeg(args, {
    signal,
    stallMs: STALL_MS,
    headLength: DESCRIPTION_LENGTH,
  });
  child.stdout!.resume();
  const { stderr, stalled } = await done;
  signal?.throwIfAborted();
  if (stalled) throw endless(path);
  return stderr;
}

/** Null outputs that show the first frames of a stream. */
const firstPictures = (stream: string): string[] => [
  ...['-map', stream, '-frames:v', `${LOOKED_AT}`, '-vf', 'showinfo', '-f', 'null', '-'],
];
const firstSamples = (stream: string): string[] => [
  ...['-map', stream, '-frames:a', '1', '-af', 'ashowinfo', '-f', 'null', '-'],
];

/** Time stamp of the first frame that was shown; null if there was none, or it has no time stamp. */
export function timeShown(text: string): number | null {
  const time = / pts_time: *(-?[\d.]+)/.exec(text)?.[1];
  return time === undefined ? null : Number(time);
}

function streamsOf(path: string, text: string): Stream[] {
  if (!/^Input #0/m.test(text)) throw unreadable(path, text);
  return parseStreams(text);
}
function durationOf(text: string): number | null {
  const duration = /Duration: (\d+):(\d+):([\d.]+)/.exec(text);
  return duration === null
    ? null
    : Number(duration[1]) * 3600 + Number(duration[2]) * 60 + Number(duration[3]);
}

/**
 * ffmpeg prints 29.97 for 30000/1001; up to 6 fps a printed
 * whole rate would match such a fraction too.
 */
function exactRate(printed: string): number {
  const rate = printed.endsWith('k') ? Number(printed.slice(0, -1)) * 1000 : Number(printed);
  const ntsc = (Math.round(rate) * 1000) / 1001;
  return rate > 6 && Math.abs(rate - ntsc) < 0.006 ? ntsc : rate;
}

export function unreadable(path: string, stderr: string): InputError {
  const misdetected = /misdetection possible/.test(stderr); // nothing in it looks like a video
  if (/moov atom not found/.test(stderr) && !misdetected) {
    return new InputError(
      `${path}: has no index (moov box): cut off or still being written; copy or download it again`,
    );
  }
  if (/not on whitelist|not in allowed|format_whitelist/i.test(stderr)) {
    return new InputError(
      `${path}: refers to other files, or is a kind of file that is not supported; give the video file itself`,
    );
  }
  const complaint = misdetected
    ? 'it is not a kind of file that ffmpeg knows'
    : firstComplaint(stderr).replace(`file:${resolve(path)}: `, '');
  return new InputError(
    `${path}: cannot be decoded as a video (${complaint || 'ffmpeg gave no reason'}); give another file or convert it to mp4`,
  );
}

export const endless = (path: string): InputError =>
  new InputError(
    `${path}: ffmpeg decoded nothing from it for ${STALL_MS / 60_000} minutes; it may be damaged, convert it to mp4 first`,
  );
