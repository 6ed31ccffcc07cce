/**
 * File formats recognised by their first bytes: the supported ones, and common unsupported ones, each
 * with a remedy.
 */
import { InputError } from '../../errors.js';
import { NOT_READ, refusal, type UnreadKind } from './not-read.js';

/** How many bytes are examined: the acTL chunk of an animated PNG may come after a colour profile. */
export const HEAD_BYTES = 2 ** 16;

/** Picture formats that ffmpeg converts to PNG for sharp. */
export type ConvertedKind = 'bmp' | 'pnm' | 'pam' | 'qoi' | 'tga';

/** What the first bytes are, as Latin-1. */
const UNREAD: readonly [start: string, kind: UnreadKind][] = [
  ['\xff\x0a', NOT_READ.jpegXl],
  ['\0\0\0\x0cJXL ', NOT_READ.jpegXl],
  ['\0\0\0\x0cjP  ', NOT_READ.jpeg2000],
  ['\xff\x4f\xff\x51', NOT_READ.jpeg2000],
  ['\xff\xd8\xff\xf7', NOT_READ.jpegLs],
  ['8BPS', NOT_READ.photoshop],
  ['gimp xcf', NOT_READ.gimp],
  ['%PDF', NOT_READ.pdf],
  ['%!PS', NOT_READ.postScript],
  ['\x76\x2f\x31\x01', NOT_READ.openExr],
  ['#?RADIANCE', NOT_READ.radiance],
  ['#?RGBE', NOT_READ.radiance],
  ['SDPX', NOT_READ.dpx],
  ['XPDS', NOT_READ.dpx],
  ['DDS ', NOT_READ.dds],
  ['SIMPLE  =', NOT_READ.fits],
  ['\x93NUMPY', NOT_READ.numpy],
  ['\x8aMNG\r\n\x1a\n', NOT_READ.mng],
  ['FUJIFILMCCD-RAW', NOT_READ.raw],
  ['IIRO', NOT_READ.raw],
  ['IIRS', NOT_READ.raw],
  ['MMOR', NOT_READ.raw],
  ['IIU\0', NOT_READ.raw],
  ['FOVb', NOT_READ.raw],
  ['PK\x03\x04', NOT_READ.zip],
  ['\x1f\x8b', NOT_READ.gzip],
  ['7z\xbc\xaf\x27\x1c', NOT_READ.sevenZip],
  ['Rar!', NOT_READ.rar],
];

/** Brands in the `ftyp` box, which comes first in files of the MP4 family (ISO base media). */
const HEIC_BRANDS = ['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs'];

/** A picture, or another file, of a known but unsupported format. */
export class UnreadKindError extends InputError {}

/**
 * Throws UnreadKindError if `head`, the first bytes of the
 * file, shows a known but unsupported format.
 */
export function expectReadKind(path: string, head: Buffer): void {
  const unread = unreadKind(head);
  if (unread === null) return;
  throw new UnreadKindError(`${path}: ${refusal(unread)}`);
}

/** The unsupported format that a file has; null if it may be readable. */
function unreadKind(head: Buffer): UnreadKind | null {
  const text = head.toString('latin1');
  const found = UNREAD.find(([start]) => text.startsWith(start));
  if (found) return found[1];
  if (/^P[Ff]\s/.test(text)) return NOT_READ.pfm;
  if (isIcon(head)) return NOT_READ.icon;
  if (text.slice(128, 132) === 'DICM') return NOT_READ.dicom;
  if (isSvg(text)) return NOT_READ.svg;
  const brands = brandsOf(head);
  if (brands[0] === 'crx ') return NOT_READ.raw;
  const isAvif = brands.includes('avif') || brands.includes('avis');
  return !isAvif && brands.some((brand) => HEIC_BRANDS.includes(brand)) ? NOT_READ.heic : null;
}

/** Icons and cursors: a count of pictures, then directory entries whose fourth byte is 0. */
const isIcon = (head: Buffer): boolean =>
  head.length >= 22 &&
  head.readUInt16LE(0) === 0 &&
  [1, 2].includes(head.readUInt16LE(2)) &&
  head.readUInt16LE(4) > 0 &&
  head[5] === 0 &&
  head[9] === 0;

/** The root element may come after an XML declaration, comments and a document type. */
function isSvg(text: string): boolean {
  const start = text.replace(/^\u00ef\u00bb\u00bf/, '').trimStart();
  if (/^<svg[\s>]/.test(start)) return true;
  return /^<(\?xml|!--|!DOCTYPE svg)/.test(start) && /<svg[\s>]/.test(start);
}

/** The format if ffmpeg has to convert the file to PNG; null for others. */
export function convertedKind(head: Buffer): ConvertedKind | null {
  const text = head.toString('latin1');
  // the length of the header that follows distinguishes a bitmap from a text that begins with BM
  if (text.startsWith('BM') && head.length >= 18 && head.readUInt32LE(14) <= 124) return 'bmp';
  if (text.startsWith('qoif')) return 'qoi';
  if (/^P7\s*\n/.test(text)) return 'pam';
  if (/^P[1-6]\s+(?:#[^\n]*\n\s*)*\d+\s+(?:#[^\n]*\n\s*)*\d/.test(text)) return 'pnm';
  return isTarga(head) ? 'tga' : null;
}

/** Targa has no magic number; all of its header must make sense. */
function isTarga(head: Buffer): boolean {
  if (head.length < 19) return false;
  const [colourMap, type, depth] = [head[1]!, head[2]!, head[16]!];
  const mapSpec = head.subarray(3, 8);
  const isMapped = type === 1 || type === 9;
  return (
    [1, 2, 3, 9, 10, 11].includes(type) &&
    colourMap === (isMapped ? 1 : 0) &&
    (isMapped ? [15, 16, 24, 32].includes(mapSpec[4]!) : mapSpec.every((byte) => byte === 0)) &&
    [8, 15, 16, 24, 32].includes(depth) &&
    head.readUInt16LE(12) > 0 &&
    head.readUInt16LE(14) > 0 &&
    (head[17]! & 0xc0) === 0
  );
}

/** The brands of a file of the MP4 family, the major one first; empty for other files. */
export function brandsOf(head: Buffer): string[] {
  if (head.length < 12 || head.toString('latin1', 4, 8) !== 'ftyp') return [];
  const end = Math.min(head.readUInt32BE(0), head.length);
  const brands = [head.toString('latin1', 8, 12)];
  // the version stands between the major brand and the compatible ones
  for (let at = 16; at + 4 <= end; at += 4) brands.push(head.toString('latin1', at, at + 4));
  return brands;
}

/** A PNG with several frames. */
export const isAnimatedPng = (head: Buffer): boolean => pngChunk(head, 'acTL') !== null;

/** Offset of the contents of a chunk that precedes the image data; null if there is none. */
function pngChunk(head: Buffer, wanted: string): number | null {
  if (!head.toString('latin1', 0, 8).startsWith('\x89PNG\r\n\x1a\n')) return null;
  let at = 8;
  while (at + 8 <= head.length) {
    const type = head.toString('latin1', at + 4, at + 8);
    if (type === wanted) return at + 8;
    if (type === 'IDAT') return null;
    at += 12 + head.readUInt32BE(at);
  }
  return null;
}

/** Transfer characteristics PQ and HLG, by their numbers in ITU-T H.273. */
const HIGH_DYNAMIC_RANGE: Record<number, string> = { 16: 'PQ', 18: 'HLG' };

/**
 * The transfer function, `PQ` or `HLG`, of a PNG or AVIF
 * picture of high dynamic range; null for others.
 */
export function highDynamicRange(head: Buffer): string | null {
  const png = pngChunk(head, 'cICP');
  if (png !== null) return HIGH_DYNAMIC_RANGE[head[png + 1] ?? 0] ?? null;
  const box = brandsOf(head).length > 0 ? head.indexOf('colrnclx', 'latin1') : -1;
  // the box's name is followed by the primaries and the transfer characteristics, two bytes each
  if (box < 0 || box + 12 > head.length) return null;
  return HIGH_DYNAMIC_RANGE[head.readUInt16BE(box + 10)] ?? null;
}
