/**
 * The ffmpeg arguments that open a possibly hostile file: only this file is read, only demuxers that
 * never open other files are allowed, and excessively large pictures are refused.
 */
import { availableParallelism } from 'node:os';
import { extname, resolve } from 'node:path';
import { MAX_PIXELS } from '../pixels/limit.js';

/**
 * The demuxers that may be used. Left out are those that open other files or addresses (hls, dash,
 * concat, sdp, rtsp, imf, image2, webm_dash_manifest, ffmetadata, svg), run scripts (avisynth,
 * vapoursynth, tedcaptions) or accept any bytes (rawvideo, data, PCM), devices, and the formats
 * that data sets refuse by extension (r3d, swf, exr_pipe, hdr_pipe).
 */
const FORMATS = [
  // containers
  ...['mov', 'matroska', 'webm', 'avi', 'mpegts', 'mpegtsraw', 'mpeg', 'mpegvideo', 'flv', 'ogg'],
  ...['asf', 'asf_o', 'mxf', 'gxf', 'nut', 'rm', 'wtv', 'dv', 'ivf', 'nsv', 'nuv', 'dhav'],
  ...['lxf', 'ty', 'pva', 'mlv', 'cine', 'vivo', 'rl2', 'thp', 'bink', 'smk', 'roq', 'ea'],
  ...['film_cpk', 'flic', 'filmstrip', 'xmv', 'wc3movie', 'idcin', 'ipmovie', 'psxstr'],
  // raw streams without a container
  ...['h261', 'h263', 'h264', 'hevc', 'vvc', 'evc', 'av1', 'obu', 'm4v', 'vc1', 'vc1test', 'dirac'],
  ...['dnxhd', 'cavsvideo', 'avs2', 'avs3', 'mjpeg', 'mjpeg_2000', 'yuv4mpegpipe', 'apv', 'ipu'],
  // pictures; image2pipe is used only for TGA, which has no magic number
  ...['gif', 'apng', 'ico', 'fits', 'txd', 'webp_anim', 'jpegxl_anim', 'image2pipe'],
  ...['bmp', 'cri', 'dds', 'dpx', 'gem', 'gif', 'j2k', 'jpeg', 'jpegls', 'jpegxl']
    .concat(['jpegxs', 'pam', 'pbm', 'pcx', 'pfm', 'pgm', 'pgmyuv', 'pgx', 'phm', 'photocd'])
    .concat(['pictor', 'png', 'ppm', 'psd', 'qdraw', 'qoi', 'sgi', 'sunrast', 'tiff', 'vbn'])
    .concat(['webp', 'xbm', 'xpm', 'xwd'])
    .map((name) => `${name}_pipe`),
  // sound alone
  ...[
    'wav',
    'w64',
    'aiff',
    'caf',
    'au',
    'mp3',
    'aac',
    'ac3',
    'eac3',
    'ac4',
    'dts',
    'dtshd',
    'truehd',
  ],
  ...['mlp', 'flac', 'wv', 'ape', 'tta', 'tak', 'mpc', 'mpc8', 'amr', 'loas', 'voc', 'xwma', 'dsf'],
];

/** More threads gain little, and several files are decoded at once. */
const MAX_THREADS = 4;

/** `file:` keeps ffmpeg from parsing a colon as a protocol or a leading dash as an option. */
export function inputArgs(path: string): string[] {
  const isTarga = ['.tga', '.targa'].includes(extname(path).toLowerCase());
  return [
    ...['-protocol_whitelist', 'file', '-format_whitelist', FORMATS.join(',')],
    ...['-max_pixels', `${MAX_PIXELS}`],
    ...['-threads', `${Math.min(MAX_THREADS, availableParallelism())}`],
    ...(isTarga ? ['-f', 'image2pipe', '-c:v', 'targa'] : []),
    ...['-i', `file:${resolve(path)}`],
  ];
}
