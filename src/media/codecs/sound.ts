/**
 * Copies sound from a file into a generated clip.
 */
import { resolve } from 'node:path';
import { InputError } from '../../errors.js';
import { containerArgs, isWebm, oneOf } from '../ffmpeg/encode-args.js';
import { ffmpegFeatures } from '../ffmpeg/features.js';
import { inputArgs } from '../ffmpeg/input-args.js';
import { type AudioInfo, probeAudio, probeVideo } from '../ffmpeg/probe.js';
import { pictureTime } from '../ffmpeg/seek.js';
import { sniff } from './sniff.js';

/** The default audio stream of a file, with or without pictures. */
export interface AudioSource {
  path: string;
  /**
   * position in the file at which the result begins; if the file has pictures, the result begins with
   * the first one shown at or after that time
   */
  startSeconds: number;
  /** silence before the sound in the result */
  delaySeconds?: number;
}

/**
 * Prepares the ffmpeg arguments that add sound to pictures. This happens before the first picture is
 * written, so that an unusable sound file is reported at once.
 *
 * @param path   of the result; its sound is AAC in mp4, Opus (or Vorbis) in webm
 * @returns      a function from the file of the pictures and its length in seconds to all arguments but
 *   the output file; null if there is no sound from `startSeconds` on
 * @throws InputError if the file cannot be read; JobError if ffmpeg has no encoder
 */
export async function soundArgs(
  path: string,
  { path: source, startSeconds, delaySeconds = 0 }: AudioSource,
  signal?: AbortSignal,
): Promise<((pictures: string, seconds: number) => string[]) | null> {
  for (const [name, seconds] of Object.entries({ startSeconds, delaySeconds })) {
    if (!(seconds >= 0 && Number.isFinite(seconds))) {
      throw new InputError(`${source}: ${name} must be 0 seconds or later, got ${seconds}`);
    }
  }
  const kind = await sniff(source);
  if (kind !== 'video' && kind !== 'unknown') return null; // pictures are silent
  const info = await probeAudio(source, signal);
  if (info === null || startSeconds >= (info.durationSeconds ?? Number.POSITIVE_INFINITY)) {
    return null;
  }
  const begin = await beginOf(source, startSeconds, info, signal);
  const names = isWebm(path) ? ['libopus', 'libvorbis'] : ['aac'];
  const encoder = oneOf(await ffmpegFeatures('encoders'), path, names);
  const filters = [
    // count from the sound's own beginning: zero differs between containers and versions of ffmpeg
    'asetpts=PTS-STARTPTS',
    ...(begin > 0 ? [`atrim=start=${begin}`] : []),
    `asetpts=PTS+${delaySeconds - begin}/TB`,
    'aresample=async=1:first_pts=0', // silence before a sound that begins late
    'apad', // silence without end
  ];
  return (pictures, seconds) => [
    // its progress output shows that it is not stuck
    ...['-nostdin', '-v', 'error', '-y', '-nostats', '-progress', 'pipe:1'],
    ...['-i', `file:${resolve(pictures)}`, ...inputArgs(source)],
    ...['-map', '0:v:0', '-map', `1:${info.stream}`, '-map_chapters', '-1'],
    ...['-c:v', 'copy', '-c:a', encoder],
    // cut here: -shortest leaves up to half a second more (ffmpeg 9, measured)
    ...['-af', [...filters, `atrim=end=${seconds}`].join(',')],
    // Opus needs this sample rate, and supports few layouts beyond stereo
    ...['-ar', '48000', ...(info.channels === null ? ['-ac', '2'] : []), '-b:a', '160k'],
    ...containerArgs(path),
  ];
}

/**
 * Position in the sound at which the result begins, in seconds from the first sample; negative if the
 * pictures begin before the sound.
 */
async function beginOf(
  source: string,
  startSeconds: number,
  { hasPictures, firstTime }: AudioInfo,
  signal?: AbortSignal,
): Promise<number> {
  if (!hasPictures) return startSeconds;
  const video = await probeVideo(source, signal);
  const picture = await pictureTime(source, video, startSeconds, signal);
  return firstTime === null ? startSeconds : picture - firstTime;
}
