/** The ffmpeg arguments that decode a video file to pictures on standard output. */
import { InputError } from '../../errors.js';
import type { ReadVideoOptions } from '../frames.js';
import { ffmpegFeatures } from './features.js';
import { inputArgs } from './input-args.js';
import type { VideoInfo } from './probe.js';
import { seekTo } from './seek.js';

export interface Wanted extends ReadVideoOptions {
  /** scale to exactly this, whatever the aspect ratio; overrides `maxSide` */
  size?: { width: number; height: number };
}

/** Filters that tone mapping needs; some builds of ffmpeg lack them. */
const TONE_MAPPING = ['zscale', 'tonemap'];

/** @throws InputError if the file needs a filter that the ffmpeg found lacks */
export async function expectFilters(path: string, info: VideoInfo): Promise<void> {
  if (info.highDynamicRange === null) return;
  const filters = await ffmpegFeatures('filters');
  if (TONE_MAPPING.every((name) => filters.has(name))) return;
  throw new InputError(
    `${path}: has a high dynamic range (${info.highDynamicRange}), and this ffmpeg cannot tone-map it (it lacks ${TONE_MAPPING.join(' or ')}); ` +
      `with a full build of ffmpeg convert it first: ffmpeg -i in.mov -vf ${toneMapping(info).join(',')},format=yuv420p out.mp4`,
  );
}

export async function decodeArgs(
  path: string,
  info: VideoInfo,
  options: Wanted,
): Promise<string[]> {
  const { maxFrames, fps, maxSide, size } = options;
  const matrix = matrixOf(info);
  const { hasAlpha, highDynamicRange, isTurned, interlaced, stream } = info;
  const seek = seekTo(info, options.start ?? 0);
  // make pixels square, then limit the longer side
  const [w, h] = ['iw*max(1,sar)', 'ih/min(1,sar)'];
  const factor = maxSide === undefined ? '1' : `min(1,${maxSide}/max(${w},${h}))`;
  const filters = [
    // frames that change size midway reach the following filters at the size of the first
    ...(isTurned ? [] : ['scale=iw:ih']),
    ...seek.filters,
    ...(interlaced ? ['bwdif=mode=send_frame:deint=interlaced'] : []),
    ...(fps === undefined ? [] : [`fps=${fps}`]),
    // without accurate_rnd and full_chroma_int, swscale is off by up to 3/255 and uses the nearest
    // chroma sample (measured over a 4:2:0 round trip: 41.6 dB without, 46.2 dB with)
    (size
      ? `scale=w=${size.width}:h=${size.height}`
      : `scale=w='max(1,round(${w}*${factor}))':h='max(1,round(${h}*${factor}))'`) +
      `:flags=bicubic+accurate_rnd+full_chroma_int${matrix === null ? '' : `:in_color_matrix=${matrix}`}`,
    ...(highDynamicRange ? ['format=gbrp10le', ...toneMapping(info)] : []),
    // via planar RGB: swscale's direct conversion to rgb24
    // gives the same bytes in twice the time (measured)
    ...(hasAlpha ? ['format=rgba'] : ['format=gbrp', 'scale', 'format=rgb24']),
    // evenly spaced time stamps at the output's frame rate make each frame come out exactly once,
    // whatever the file's timing (the option for that differs between versions). They are 100 s
    // apart because newer versions repeat the last frame for as long as it lasts in the file
    'settb=100',
    'setpts=N',
  ];
  return [
    ...['-nostdin', '-nostats', '-v', `level+${isTurned ? 'verbose' : 'info'}`],
    ...seek.input,
    // one filter graph for all frames: rebuilt, it would restart its counters and lose buffered frames.
    // The filters that rotate a picture come before ours, and cannot cope with a change of size
    ...(isTurned ? [] : ['-noautorotate', '-reinit_filter', '0']),
    ...(await alphaDecoder(info)),
    ...inputArgs(path),
    ...['-map', `0:${stream}`, '-vf', filters.join(','), '-r', '0.01'],
    ...(maxFrames === undefined ? [] : ['-frames:v', String(maxFrames)]),
    // PPM and PAM state each picture's size, after rotation and scaling
    ...['-f', 'image2pipe', '-c:v', hasAlpha ? 'pam' : 'ppm', 'pipe:1'],
  ];
}

/** Selects the decoders of libvpx, since ffmpeg's own ignore the alpha channel of VP8 and VP9. */
async function alphaDecoder({ hasAlpha, codec }: VideoInfo): Promise<string[]> {
  const name = { vp8: 'libvpx', vp9: 'libvpx-vp9' }[codec];
  if (!hasAlpha || name === undefined) return [];
  return (await ffmpegFeatures('decoders')).has(name) ? ['-c:v', name] : [];
}

/**
 * Maps high dynamic range to BT.709. Graphics white, 203 nits, stays
 * almost white (236 of 255); everything darker than 0.7 of that is
 * unchanged, and everything brighter, up to 1000 nits, is compressed.
 *
 * Source: ITU-R BT.2408 (levels of reference white), BT.2100 (PQ, HLG)
 */
function toneMapping({ highDynamicRange }: VideoInfo): string[] {
  const transfer = highDynamicRange === 'PQ' ? 'smpte2084' : 'arib-std-b67';
  return [
    `zscale=transferin=${transfer}:primariesin=bt2020:transfer=linear:npl=203`,
    'format=gbrpf32le',
    'zscale=primaries=bt709',
    `tonemap=mobius:param=0.7:desat=0:peak=${(1000 / 203).toFixed(2)}`,
    'zscale=transfer=bt709',
  ];
}

/** The colour matrix to pass to swscale; null if the file's own tag applies, or it is not YUV. */
function matrixOf({ pixelFormat, colorMatrix, height }: VideoInfo): string | null {
  if (colorMatrix !== null || !/^(yuv|nv|p01)/.test(pixelFormat)) {
    return null;
  }
  return height >= 720 ? 'bt709' : 'bt601';
}
