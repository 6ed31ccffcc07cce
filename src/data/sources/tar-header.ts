/** Tar headers: the 512-byte blocks that describe the members of a tar. */
import { InputError } from '../../errors.js';

export const BLOCK = 512;
/** Largest size that fits in eleven octal digits. */
const MAX_SIZE = 8 ** 11 - 1;

/** What an extended header states about the member that follows it. */
export interface Stated {
  name?: string;
  size?: number;
  sparse?: boolean;
}

/** @throws InputError for a sparse member, whose bytes are not contiguous, or one without a valid name */
export function expectWhole(
  path: string,
  { name, type, sparse }: { name: string; type: string; sparse?: boolean },
  at: number,
): void {
  if (type === 'S' || sparse) {
    throw new InputError(
      `${path}: holds a sparse member at byte ${at} (${name}); write the tar without --sparse`,
    );
  }
  if (name === '' || name.includes('\0')) {
    throw new InputError(`${path}: is damaged at byte ${at}, in a name; copy or download it again`);
  }
}

/** The sum of the header's bytes, with the checksum's own field counted as spaces. */
function checksumOf(header: Buffer): number {
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i]!;
  return sum;
}

export function expectHeader(path: string, header: Buffer, at: number): void {
  const stored = Number.parseInt(textIn(header, 148, 8).trim(), 8);
  if (stored === checksumOf(header)) return;
  const start = header.toString('latin1', 0, 8);
  const packed = at === 0 ? PACKED.find(([first]) => start.startsWith(first)) : undefined;
  throw new InputError(
    packed
      ? `${path}: is compressed; unpack it with ${packed[1]}, as members are read in place`
      : `${path}: is not a tar, or is damaged, at byte ${at}; copy or download it again`,
  );
}

/** First bytes of compressed files, and the programs that unpack them. */
const PACKED = [
  ['\x1f\x8b', 'gunzip'],
  ['BZh', 'bunzip2'],
  ['\xfd7zXZ', 'unxz'],
  ['\x28\xb5\x2f\xfd', 'unzstd'],
  ['PK\x03\x04', 'unzip'],
] as const;

/** Reads a size: octal digits, or base 256 with the first bit set, which GNU tar writes above 8 GB. */
export function sizeIn(path: string, header: Buffer, at: number): number {
  const damaged = (got: string) =>
    new InputError(
      `${path}: is damaged at byte ${at}, a size must be a number from 0 on, got ${got}; copy or download it again`,
    );
  if (header[124]! & 0x80) {
    const size = header.readBigUInt64BE(128);
    const above = header.subarray(125, 128).some((byte) => byte !== 0);
    if (header[124] === 0x80 && !above && size <= Number.MAX_SAFE_INTEGER) return Number(size);
    throw damaged('a negative or impossibly large one');
  }
  const digits = textIn(header, 124, 12).trim();
  if (!/^[0-7]{1,12}$/.test(digits)) throw damaged(JSON.stringify(digits));
  return Number.parseInt(digits, 8);
}

export function nameIn(header: Buffer): string {
  const prefix = textIn(header, 257, 5) === 'ustar' ? textIn(header, 345, 155) : '';
  const name = textIn(header, 0, 100);
  return prefix === '' ? name : `${prefix}/${name}`;
}

function textIn(header: Buffer, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}

export const upToNul = (text: string): string => text.split('\0', 1)[0]!;

/** Parses pax records, "LENGTH KEY=VALUE\n", where LENGTH counts all bytes of the record. */
export function paxRecords(text: string): Stated {
  const stated: Stated = {};
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    const match = /^(\d{1,9}) ([^=]*)=/.exec(bytes.toString('utf8', at, at + MAX_PAX_KEY));
    const length = Number(match?.[1]);
    if (!match || length <= Buffer.byteLength(match[0]) || at + length > bytes.length) break;
    const value = bytes.toString('utf8', at + Buffer.byteLength(match[0]), at + length - 1);
    const key = match[2]!;
    if (key === 'path') stated.name = value;
    else if (key === 'size' && /^\d{1,15}$/.test(value)) stated.size = Number(value);
    else if (key.startsWith('GNU.sparse.')) stated.sparse = true;
    at += length;
  }
  return stated;
}

/** The length and the key of a record must lie within this many bytes. */
const MAX_PAX_KEY = 256;

/** A header with fixed owner, time and mode, so that the same members always give the same tar. */
export function headerOf(name: string, size: number): Buffer {
  if (Buffer.byteLength(name) > 100 || size > MAX_SIZE) {
    throw new InputError(
      `${name}: a member of a shard must have a name of at most 100 bytes and a size of at most 8 GB`,
    );
  }
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0');
  header.write(name, 0);
  header.write(`${octal(0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100);
  header.write(`${octal(size, 11)}\0${octal(0, 11)}\0`, 124);
  header.write('0ustar\0', 156);
  header.write('00', 263);
  header.write(`${octal(checksumOf(header), 6)}\0 `, 148);
  return header;
}
