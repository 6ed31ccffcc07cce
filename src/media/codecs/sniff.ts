/**
 * Recognises a file by its first bytes, since names can be wrong (a PNG called .jpg, a text called .mp4).
 */

import { stat } from 'node:fs/promises';
import { InputError } from '../../errors.js';
import { expectRegular, openRegular, unreadable } from '../../files/regular-file.js';
import { brandsOf, convertedKind, expectReadKind, HEAD_BYTES, isAnimatedPng } from './kinds.js';

/**
 * `still` and `animation` are read by sharp and ffmpeg (an animation may turn out to have only one
 * frame), `video` by ffmpeg; `unknown` may still be something that ffmpeg can read.
 */
export type MediaKind = 'still' | 'animation' | 'video' | 'folder' | 'unknown';

/** How many bytes are examined to decide whether a file is text. */
const TEXT_BYTES = 4096;

/**
 * @throws InputError if there is nothing at `path`, or if it is a pipe, a device, an empty file, a text
 *   or a file of a known but unsupported format
 */
export async function sniff(path: string): Promise<MediaKind> {
  const head = await readHead(path);
  if (head === null) {
    return 'folder';
  }
  if (head.length === 0) {
    throw new InputError(`${path}: the file is empty (0 bytes); copy or download it again`);
  }
  expectReadKind(path, head);
  const kind = kindOf(head);
  if (kind === 'unknown' && isText(head.subarray(0, TEXT_BYTES))) {
    throw new InputError(`${path}: holds text, not a picture or a video; give a media file`);
  }
  return kind;
}

function kindOf(head: Buffer): MediaKind {
  const ascii = head.toString('latin1');
  if (ascii.startsWith('\x89PNG\r\n\x1a\n')) {
    return isAnimatedPng(head) ? 'animation' : 'still';
  }
  const isTiff = ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(ascii.slice(0, 4));
  if (ascii.startsWith('\xff\xd8\xff') || isTiff || convertedKind(head) !== null) {
    return 'still';
  }
  if (ascii.startsWith('GIF8') || (ascii.startsWith('RIFF') && ascii.slice(8, 12) === 'WEBP')) {
    return 'animation';
  }
  const brands = brandsOf(head);
  if (brands.length > 0) {
    // the major brand of an AVIF image sequence is avis
    return brands[0] !== 'avis' && (brands.includes('avif') || brands[0] === 'mif1')
      ? 'still'
      : 'video';
  }
  // Matroska and WebM, AVI, Ogg, FLV, YUV4MPEG2, and the atoms that old QuickTime files may begin with
  const isVideo =
    ascii.startsWith('\x1a\x45\xdf\xa3') ||
    (ascii.startsWith('RIFF') && ascii.slice(8, 12) === 'AVI ') ||
    ascii.startsWith('OggS') ||
    ascii.startsWith('FLV') ||
    ascii.startsWith('YUV4MPEG2 ') ||
    ['moov', 'mdat', 'free', 'wide', 'skip'].includes(ascii.slice(4, 8));
  return isVideo ? 'video' : 'unknown';
}

/** The first bytes, or null for a folder. */
async function readHead(path: string): Promise<Buffer | null> {
  if (path === '-') {
    throw new InputError('-: standard input is not read; save it to a file first');
  }
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) return null;
    expectRegular(path, stats);
    const file = await openRegular(path);
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      const { bytesRead } = await file.read(head, 0, head.length, 0);
      return head.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** UTF-8 (or ASCII) without control characters. */
function isText(head: Buffer): boolean {
  for (const byte of head) {
    if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13) {
      return false;
    }
  }
  try {
    // stream: a character that is cut off at the end of the head is not an error
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}
