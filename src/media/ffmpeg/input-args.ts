/**
 * How ffmpeg is told to open a file that may be hostile: nothing but this file is read, by demuxers
 * that never open another one, and pictures beyond all bounds are refused.
 */
import { availableParallelism } from 'node:os';
import { extname, resolve } from 'node:path';
import { MAX_PIXELS } from '../pixels/limit.js';

/**
 * What may be opened. Not here: what names other files or addresses to read (hls, dash, concat, sdp,
 * rtsp, imf, image2, webm_dash_manifest, ffmetadata), runs scripts (avisynth, vapoursynth, tedcaptions),
 * takes anything for what it is (rawvideo, data, PCM), devices, svg, which refers to files too, and
 * what data sets refuse by its name (r3d, swf, exr_pipe, hdr_pipe).
 */
const FORMATS = [
  // containers
  ...['mov', 'matroska', 'webm', 'avi', 'mpegts', 'mpegtsraw', 'mpeg', 'mpegvideo', 'flv', 'ogg'],
  ...['asf', 'asf_o', 'mxf', 'gxf', 'nut', 'rm', 'wtv', 'dv', 'ivf', 'nsv', 'nuv', 'dhav'],
  ...['lxf', 'ty', 'pva', 'mlv', 'cine', 'vivo', 'rl2', 'thp', 'bink', 'smk', 'roq', 'ea'],
  ...['film_cpk', 'flic', 'filmstrip', 'xmv', 'wc3movie', 'idcin', 'ipmovie', 'psxstr'],
  // streams without one
  ...['h261', 'h263', 'h264', 'hevc', 'vvc', 'evc', 'av1', 'obu', 'm4v', 'vc1', 'vc1test', 'dirac'],
  ...['dnxhd', 'cavsvideo', 'avs2', 'avs3', 'mjpeg', 'mjpeg_2000', 'yuv4mpegpipe', 'apv', 'ipu'],
  // pictures; image2pipe is named for TGA alone, which has no mark of its own
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

/** Beyond this decoding gains little, and several files are read at once. */
const MAX_THREADS = 4;

/** `file:` keeps names with a colon or a leading dash from being taken for something else. */
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
