/**
 * The ffmpeg arguments that encode raw pictures from standard input.
 */
import { extname } from 'node:path';
import { JobError } from '../../errors.js';
import { ffmpegFeatures } from './features.js';

export interface EncodeOptions {
  width: number;
  height: number;
  fps: number;
  /** 0 (best) to 51 on the scale of x264; VP9 gets this plus 10, which looks about the same */
  crf?: number;
  /** stored in the file as its comment; not in GIF */
  description?: string;
  /**
   * store colours in full range (0..255, as many cameras do) instead of
   * limited range (16..235); looks the same. Only for H.264 and VP9:
   * the other encoders cannot signal it, and write limited range
   */
  fullRange?: boolean;
}

/** Pixel format of H.264 with odd width or height; even sizes use yuv420p. */
const FULL_CHROMA = 'yuv444p';

export const hasFullChroma = (args: readonly string[]): boolean =>
  args.some((arg) => arg.endsWith(`,format=${FULL_CHROMA}`));

/** All arguments except the output file, for mp4 or webm. */
export async function encodeArgs(
  path: string,
  { width, height, fps, crf = 18, description, fullRange = false }: EncodeOptions,
): Promise<string[]> {
  const names = isWebm(path) ? ['libvpx-vp9', 'libvpx'] : ['libx264', 'mpeg4'];
  const encoder = oneOf(await ffmpegFeatures('encoders'), path, names);
  const range = fullRange && ['libx264', 'libvpx-vp9'].includes(encoder) ? 'pc' : 'tv';
  const odd = width % 2 === 1 || height % 2 === 1;
  const pixelFormat = encoder === 'libx264' && odd ? FULL_CHROMA : 'yuv420p';
  const quality: Record<string, string[]> = {
    libx264: ['-crf', `${crf}`, '-preset', 'medium'],
    // 1 (best) to 31; 4 corresponds to about crf 18
    mpeg4: ['-q:v', `${Math.min(31, Math.max(1, Math.round(crf / 2) - 5))}`],
    'libvpx-vp9': ['-crf', `${crf + 10}`, '-b:v', '0', '-row-mt', '1', '-cpu-used', '2'],
    libvpx: ['-crf', `${Math.max(4, crf)}`, '-b:v', '8M'],
  };
  return [
    ...['-v', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`],
    ...['-framerate', String(fps), '-i', 'pipe:0', '-vf'],
    `scale=flags=bicubic+accurate_rnd+full_chroma_inp:out_color_matrix=bt709:out_range=${range},format=${pixelFormat}`,
    ...['-c:v', encoder, ...quality[encoder]!],
    ...['-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709'],
    ...['-color_range', range],
    ...(description ? ['-metadata', `comment=${description}`] : []),
    ...containerArgs(path),
  ];
}

/**
 * Names the container, by the extension of `path`: the
 * temporary file that ffmpeg writes has another one.
 */
export function containerArgs(path: string): string[] {
  // the index comes first, so that a browser can start playing before it has the whole file
  return isWebm(path) ? ['-f', 'webm'] : ['-movflags', '+faststart', '-f', 'mp4'];
}

export const isWebm = (path: string): boolean => extname(path).toLowerCase() === '.webm';

/** The first of the `wanted` encoders that ffmpeg has; throws JobError if it has none of them. */
export function oneOf(encoders: Set<string>, path: string, wanted: string[]): string {
  const encoder = wanted.find((name) => encoders.has(name));
  if (encoder === undefined) {
    throw new JobError(
      `${path}: this ffmpeg has no encoder for it (${wanted.join(', ')}); install a full build of ffmpeg or write another format`,
    );
  }
  return encoder;
}
