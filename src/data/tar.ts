/**
 * Tar files (POSIX ustar), which WebDataset's shards are: listed by their headers, members read by
 * their place, so that nothing but a header is held in memory.
 */
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { openRegular } from '../regular-file.js';

/** A file in a tar: its bytes are `size` bytes of the tar from `offset` on. */
export interface TarMember {
  name: string;
  offset: number;
  size: number;
}

const BLOCK = 512;
/** Largest size that eleven octal digits say. */
const MAX_SIZE = 8 ** 11 - 1;
/** Members larger than this are no text: a caption, a JSON, a long name. */
const MAX_TEXT = 2 ** 20;

/**
 * The plain files of a tar in their order; folders, links and the like are passed over. Long names
 * may be those of pax or of GNU tar.
 *
 * @throws InputError naming the tar if it is missing, is no tar, or ends too early
 */
export async function* listTar(path: string): AsyncGenerator<TarMember> {
  const file = await openTar(path);
  try {
    const { size: total } = await file.stat();
    const header = Buffer.alloc(BLOCK);
    let longName: string | null = null;
    for (let at = 0; ; ) {
      const { bytesRead } = await file.read(header, 0, BLOCK, at);
      // two blocks of zeros end a tar; one, or none, does too for many programs
      if (bytesRead === 0 && at > 0) return;
      if (bytesRead === BLOCK && header.every((byte) => byte === 0)) return;
      if (bytesRead < BLOCK) throw cutOff(path, at);
      expectHeader(path, header, at);
      const size = sizeIn(path, header, at);
      const offset = at + BLOCK;
      if (offset + size > total) throw cutOff(path, at);
      const type = String.fromCharCode(header[156]!);
      if (type === 'x' || type === 'L') {
        const text = await textAt(file, { path, offset, size });
        longName = type === 'L' ? text.replace(/\0+$/, '') : (paxPath(text) ?? longName);
      } else if (type === '0' || type === '\0') {
        yield { name: (longName ?? nameIn(header)).replace(/^\.\//, ''), offset, size };
        longName = null;
      } else if (type !== 'g') {
        longName = null;
      }
      at = offset + Math.ceil(size / BLOCK) * BLOCK;
    }
  } finally {
    await file.close();
  }
}

/** A member's bytes as text. @throws InputError if it is larger than 1 MB */
export async function readTarText(path: string, member: TarMember): Promise<string> {
  const file = await openTar(path);
  try {
    return await textAt(file, { path: `${path}/${member.name}`, ...member });
  } finally {
    await file.close();
  }
}

/** Writes members one after another into an open, empty file; `end` completes the tar. */
export class TarWriter {
  constructor(private readonly file: FileHandle) {}

  /** @throws InputError for a name that ustar cannot hold */
  async add(name: string, bytes: Uint8Array): Promise<void> {
    await this.put(headerOf(name, bytes.length));
    await this.put(bytes);
    await this.pad(bytes.length);
  }

  /** Copies a file in, piece by piece. */
  async addFile(name: string, path: string, size: number): Promise<void> {
    await this.put(headerOf(name, size));
    let copied = 0;
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      copied += chunk.length;
      await this.put(chunk);
    }
    if (copied !== size) throw new InputError(`${path}: has changed while it was read`);
    await this.pad(size);
  }

  async end(): Promise<void> {
    await this.put(Buffer.alloc(2 * BLOCK));
  }

  private async put(bytes: Uint8Array): Promise<void> {
    await this.file.writeFile(bytes); // on a handle: from where it is
  }

  private async pad(size: number): Promise<void> {
    if (size % BLOCK !== 0) await this.put(Buffer.alloc(BLOCK - (size % BLOCK)));
  }
}

async function openTar(path: string): Promise<FileHandle> {
  try {
    return await openRegular(path);
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'no such shard; check the path' : message;
    throw new InputError(`${path}: ${reason}`, { cause });
  }
}

async function textAt(
  file: FileHandle,
  { path, offset, size }: { path: string; offset: number; size: number },
): Promise<string> {
  if (size > MAX_TEXT) {
    throw new InputError(`${path}: is a text of at most ${MAX_TEXT} bytes, got ${size}`);
  }
  const bytes = Buffer.alloc(size);
  await file.read(bytes, 0, size, offset);
  return bytes.toString('utf8');
}

/** The sum of the header's bytes, its own field counted as spaces, is stored in it. */
function checksumOf(header: Buffer): number {
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i]!;
  return sum;
}

function expectHeader(path: string, header: Buffer, at: number): void {
  const stored = Number.parseInt(textIn(header, 148, 8).trim(), 8);
  if (stored === checksumOf(header)) return;
  throw new InputError(
    header[0] === 0x1f && header[1] === 0x8b && at === 0
      ? `${path}: is compressed; unpack it with gunzip, members are read by their place`
      : `${path}: is no tar, or damaged, at byte ${at}; copy or download it again`,
  );
}

const cutOff = (path: string, at: number) =>
  new InputError(
    at === 0
      ? `${path}: is no tar; give a WebDataset shard`
      : `${path}: ends too early, in the member at byte ${at}; copy or download it again`,
  );

/** Octal digits, or base 256 with the first bit set, as GNU tar writes above 8 GB. */
function sizeIn(path: string, header: Buffer, at: number): number {
  if (header[124]! & 0x80) return Number(header.readBigUInt64BE(128));
  const size = Number.parseInt(textIn(header, 124, 12).trim(), 8);
  if (Number.isNaN(size)) throw new InputError(`${path}: is damaged at byte ${at}`);
  return size;
}

function nameIn(header: Buffer): string {
  const prefix = textIn(header, 257, 5) === 'ustar' ? textIn(header, 345, 155) : '';
  const name = textIn(header, 0, 100);
  return prefix === '' ? name : `${prefix}/${name}`;
}

function textIn(header: Buffer, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}

/** Records of pax are "LENGTH KEY=VALUE\n". */
const paxPath = (text: string): string | undefined => /(?:^|\n)\d+ path=([^\n]*)\n/.exec(text)?.[1];

/** Owner, time and mode are the same for all, so that the same members give the same tar. */
function headerOf(name: string, size: number): Buffer {
  if (Buffer.byteLength(name) > 100 || size > MAX_SIZE) {
    throw new InputError(`${name}: a member of a shard has a name of at most 100 bytes and 8 GB`);
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
