/**
 * What a file is, by its first bytes: names lie (a PNG called .jpg, a text called .mp4).
 */
import { open, stat } from 'node:fs/promises';
import { InputError } from '../errors.js';

/**
 * `still` and `animation` are read by sharp (an animation may turn out to have one frame), `video`
 * by ffmpeg; `unknown` is worth a try with ffmpeg.
 */
export type MediaKind = 'still' | 'animation' | 'video' | 'folder' | 'unknown';

/** @throws InputError if there is nothing at `path`, or an empty file, or a text */
export async function sniff(path: string): Promise<MediaKind> {
  const head = await readHead(path);
  if (head === null) {
    return 'folder';
  }
  if (head.length === 0) {
    throw new InputError(`${path}: the file is empty (0 bytes); copy or download it again`);
  }
  const kind = kindOf(head);
  if (kind === 'unknown' && isText(head)) {
    throw new InputError(`${path}: holds text, not a picture or a video; give a media file`);
  }
  return kind;
}

function kindOf(head: Buffer): MediaKind {
  const ascii = head.toString('latin1');
  const brand = ascii.slice(8, 12);
  if (ascii.startsWith('\x89PNG\r\n\x1a\n') || ascii.startsWith('\xff\xd8\xff')) {
    return 'still';
  }
  if (ascii.startsWith('II*\0') || ascii.startsWith('MM\0*')) {
    return 'still'; // TIFF
  }
  if (ascii.startsWith('GIF8') || (ascii.startsWith('RIFF') && brand === 'WEBP')) {
    return 'animation';
  }
  if (ascii.slice(4, 8) === 'ftyp') {
    return ['avif', 'heic', 'heix', 'mif1'].includes(brand) ? 'still' : 'video';
  }
  // Matroska and WebM, AVI, Ogg, FLV, the atoms that old QuickTime files may begin with
  const isVideo =
    ascii.startsWith('\x1a\x45\xdf\xa3') ||
    (ascii.startsWith('RIFF') && brand === 'AVI ') ||
    ascii.startsWith('OggS') ||
    ascii.startsWith('FLV') ||
    ['moov', 'mdat', 'free', 'wide', 'skip'].includes(ascii.slice(4, 8));
  return isVideo ? 'video' : 'unknown';
}

/** The first 4096 bytes, or null for a folder. */
async function readHead(path: string): Promise<Buffer | null> {
  try {
    if ((await stat(path)).isDirectory()) {
      return null;
    }
    const file = await open(path, 'r');
    try {
      const head = Buffer.alloc(4096);
      const { bytesRead } = await file.read(head, 0, head.length, 0);
      return head.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new InputError(`${path}: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return 'no such file; check the path';
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return 'may not be read; change its permissions';
  }
  return `cannot be read (${message})`;
}

/** UTF-8 (or ASCII) without control characters. Binary Netpbm has a text header, then bytes. */
function isText(head: Buffer): boolean {
  if (/^P[4-7]\s/.test(head.toString('latin1', 0, 3))) {
    return false;
  }
  for (const byte of head) {
    if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13) {
      return false;
    }
  }
  try {
    // stream: a character cut at the end of the head is no error
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}
