/**
 * Tar files (POSIX ustar), the format of WebDataset shards: listed by their headers, with members read by
 * offset, so that only one header is held in memory.
 */
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { InputError } from '../../errors.js';
import { openRegular } from '../../files/regular-file.js';
import {
  BLOCK,
  expectHeader,
  expectWhole,
  headerOf,
  nameIn,
  paxRecords,
  type Stated,
  sizeIn,
  upToNul,
} from './tar-header.js';
import { decodeText, MAX_TEXT } from './text.js';

/** A file in a tar: `size` bytes of the tar, from `offset` on. */
export interface TarMember {
  name: string;
  offset: number;
  size: number;
}

export interface ListOptions {
  /** called with each member that is neither a file nor a folder, and its kind */
  onOther?: (name: string, kind: string) => void;
  /** called if the tar ends without the blocks of zeros that mark its end */
  onOpenEnd?: () => void;
  /** called before the error with the member that is cut off; null if not even its name is complete */
  onCutOff?: (name: string | null) => void;
}

/**
 * Lists the regular files of a tar in order; folders, links and the like are skipped. Long names may be
 * in the format of pax or of GNU tar.
 *
 * @throws InputError naming the tar if it is missing, not a tar, damaged, or truncated
 */
export async function* listTar(
  path: string,
  { onOther, onOpenEnd, onCutOff }: ListOptions = {},
): AsyncGenerator<TarMember> {
  const file = await openTar(path);
  const cutOff = (at: number, name: string | null) => {
    onCutOff?.(name);
    const inside = name === null ? '' : ` (${name})`;
    return new InputError(
      `${path}: ends too early, in the member at byte ${at}${inside}: it was cut off; copy or download it again`,
    );
  };
  try {
    const { size: total } = await file.stat();
    const header = Buffer.alloc(BLOCK);
    let stated: Stated = {};
    for (let at = 0; ; ) {
      const { bytesRead } = await file.read(header, 0, BLOCK, at);
      if (bytesRead === 0 && at > 0) {
        onOpenEnd?.();
        return;
      }
      // two blocks of zeros mark the end of a tar; like many programs, accept one
      if (bytesRead === BLOCK && header.every((byte) => byte === 0)) {
        await expectEnd(file, path, at);
        return;
      }
      if (bytesRead < BLOCK) {
        if (at === 0) expectHeader(path, header, at); // its error names what the file is instead
        throw cutOff(at, null);
      }
      expectHeader(path, header, at);
      const type = String.fromCharCode(header[156]!);
      const describesNext = type === 'x' || type === 'L';
      const name = (stated.name ?? nameIn(header)).replace(/^(\.\/)+/, '');
      const size = (describesNext ? undefined : stated.size) ?? sizeIn(path, header, at);
      const offset = at + BLOCK;
      if (offset + size > total) throw cutOff(at, describesNext ? null : name);
      if (describesNext) {
        const text = (await bytesAt(file, { path, offset, size })).toString('utf8');
        stated = { ...stated, ...(type === 'L' ? { name: upToNul(text) } : paxRecords(text)) };
      } else if (!ABOUT_OTHERS.includes(type)) {
        expectWhole(path, { name, type, sparse: stated.sparse }, at);
        if (PLAIN.includes(type)) yield { name, offset, size };
        else if (type !== '5') onOther?.(name, OTHERS[type] ?? 'of a rare type');
        stated = {};
      }
      at = offset + Math.ceil(size / BLOCK) * BLOCK;
    }
  } finally {
    await file.close();
  }
}

/** Type flags of regular files. */
const PLAIN = ['0', '\0', '7'];
/** Type flags of metadata: pax global headers, GNU tar's long link targets and volume labels. */
const ABOUT_OTHERS = ['g', 'K', 'V'];
const OTHERS: Readonly<Record<string, string>> = {
  1: 'a link',
  2: 'a link',
  3: 'a device',
  4: 'a device',
  6: 'a pipe',
};

/** Checks one record of twenty blocks after the end mark. @throws InputError unless it is all zeros */
async function expectEnd(file: FileHandle, path: string, at: number): Promise<void> {
  const record = Buffer.alloc(20 * BLOCK);
  const { bytesRead } = await file.read(record, 0, record.length, at);
  if (record.subarray(0, bytesRead).every((byte) => byte === 0)) return;
  throw new InputError(
    `${path}: continues after its end mark at byte ${at}, like concatenated tars; split it, or pack it again`,
  );
}

/** A member's bytes as text. @throws InputError if they are not valid text, or more than 1 MB */
export async function readTarText(
  path: string,
  { name, offset, size }: TarMember,
): Promise<string> {
  const file = await openTar(path);
  const where = `${path}/${name}`;
  try {
    return decodeText(where, await bytesAt(file, { path: where, offset, size }));
  } finally {
    await file.close();
  }
}

/** Writes members one after another into an open, empty file; `end` completes the tar. */
export class TarWriter {
  constructor(private readonly file: FileHandle) {}

  /** @throws InputError for a name or size that the header cannot hold */
  async add(name: string, bytes: Uint8Array): Promise<void> {
    await this.put(headerOf(name, bytes.length));
    await this.put(bytes);
    await this.pad(bytes.length);
  }

  /** Adds a file without loading it into memory as a whole. */
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
    await this.file.writeFile(bytes); // on a file handle this writes at the current position
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

async function bytesAt(
  file: FileHandle,
  { path, offset, size }: { path: string; offset: number; size: number },
): Promise<Buffer> {
  if (size > MAX_TEXT) {
    throw new InputError(`${path}: must be a text of at most ${MAX_TEXT} bytes, got ${size}`);
  }
  const bytes = Buffer.alloc(size);
  const { bytesRead } = await file.read(bytes, 0, size, offset);
  if (bytesRead < size)
    throw new InputError(
      `${path}: became shorter while it was read; try again when nothing writes to it`,
    );
  return bytes;
}
