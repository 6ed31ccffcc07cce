/** What the files of a data set are, by the endings of their names. */
import { basename } from 'node:path';
import { NOT_READ, refusal, type UnreadKind } from '../../media/codecs/not-read.js';

/** The list of a folder, in place of what else lies there. */
export const MANIFEST = 'manifest.jsonl';

/** Pictures that are tried; what a reader cannot read gets its sentence. */
const IMAGES = [
  ...['.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.webp', '.avif', '.heic', '.heif', '.hif'],
  ...['.tif', '.tiff', '.bmp', '.dib', '.jp2', '.j2k', '.jpx', '.jxl', '.psd', '.tga', '.pcx'],
  ...['.ppm', '.pgm', '.pbm', '.pnm', '.pam', '.qoi', '.dds', '.sgi'],
];

const CLIPS = [
  ...['.mp4', '.m4v', '.mov', '.qt', '.webm', '.mkv', '.avi', '.divx', '.gif', '.apng', '.mxf'],
  ...['.mpg', '.mpeg', '.mpe', '.m1v', '.m2v', '.mpv', '.vob', '.ts', '.m2t', '.m2ts', '.mts'],
  ...['.wmv', '.asf', '.flv', '.f4v', '.3gp', '.3g2', '.ogv', '.ogm', '.dv', '.mjpeg', '.mjpg'],
  ...['.rm', '.rmvb', '.y4m', '.nut', '.ivf', '.h264', '.264', '.h265', '.265', '.hevc', '.av1'],
];

export const CAPTIONS: readonly string[] = ['.txt', '.caption'];

/** Texts and what cameras, programs and systems leave beside pictures: nobody misses them. */
const SIDECARS = [
  ...['.json', '.jsonl', '.csv', '.tsv', '.yaml', '.yml', '.toml', '.xml', '.xmp', '.md', '.log'],
  ...['.html', '.htm', '.ini', '.db', '.lnk', '.url', '.nfo', '.srt', '.vtt', '.ass', '.ssa'],
  ...['.aae', '.thm', '.lrv', '.idx', '.safetensors', '.sh', '.py', '.js', '.sha256', '.md5'],
];

/** Kinds that a reader would refuse, or show a small preview of. */
const REFUSED: readonly [UnreadKind, readonly string[]][] = [
  [
    NOT_READ.raw,
    [
      ...['.dng', '.cr2', '.cr3', '.crw', '.nef', '.nrw', '.arw', '.sr2', '.srf', '.raf', '.orf'],
      ...['.rw2', '.pef', '.srw', '.3fr', '.fff', '.iiq', '.erf', '.mrw', '.x3f', '.gpr', '.raw'],
    ],
  ],
  [NOT_READ.rawFilm, ['.braw', '.r3d', '.ari']],
  [NOT_READ.svg, ['.svg', '.svgz']],
  [NOT_READ.pdf, ['.pdf']],
  [NOT_READ.postScript, ['.eps', '.ai']],
  [NOT_READ.djvu, ['.djvu']],
  [NOT_READ.gimp, ['.xcf']],
  [NOT_READ.photoshop, ['.psb']],
  [NOT_READ.painting, ['.kra', '.ora', '.clip', '.afphoto']],
  [NOT_READ.openExr, ['.exr']],
  [NOT_READ.radiance, ['.hdr', '.rgbe']],
  [NOT_READ.jpegXr, ['.jxr', '.wdp', '.hdp']],
  [NOT_READ.bpg, ['.bpg']],
  [NOT_READ.flif, ['.flif']],
  [NOT_READ.flash, ['.swf']],
  [NOT_READ.archive, ['.zip', '.gz', '.tgz', '.bz2', '.xz', '.zst', '.7z', '.rar']],
];

/** `sidecar` is of no use here and expected; `other` is neither. */
export type FileKind = 'image' | 'clip' | 'caption' | 'shard' | 'refused' | 'sidecar' | 'other';

const KINDS: ReadonlyMap<string, FileKind> = new Map<string, FileKind>([
  ...IMAGES.map((ending) => [ending, 'image'] as const),
  ...CLIPS.map((ending) => [ending, 'clip'] as const),
  ...CAPTIONS.map((ending) => [ending, 'caption'] as const),
  ...SIDECARS.map((ending) => [ending, 'sidecar'] as const),
  ...REFUSED.flatMap(([, endings]) => endings.map((ending) => [ending, 'refused'] as const)),
  ['.tar', 'shard'],
]);

/** The kind of a file by its name, or by an ending such as `.png`; capitals do not matter. */
export function fileKind(name: string): FileKind {
  return KINDS.get(endingOf(name)) ?? 'other';
}

/** Is it a picture or a clip by its name? */
export function isMedia(name: string): boolean {
  const kind = fileKind(name);
  return kind === 'image' || kind === 'clip';
}

/** Why a file of a `refused` kind is left out, without its name. */
export function refusalOf(name: string): string {
  const ending = endingOf(name);
  const [kind] = REFUSED.find(([, endings]) => endings.includes(ending))!;
  return refusal(kind);
}

/** The last ending, in small letters, with its dot; '' if there is none. */
export function endingOf(name: string): string {
  const base = basename(name);
  const dot = base.lastIndexOf('.');
  return dot < 0 ? '' : base.slice(dot).toLowerCase();
}
