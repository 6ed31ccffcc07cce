/**
 * A key-value store on disk for bytes that take long to compute and are needed again. Each process
 * appends to packs of its own, and reads those of all processes:
 *
 *     FOLDER/r0-1f2e3d4c.pack   values, one after another
 *     FOLDER/r0-1f2e3d4c.list   KEY OFFSET LENGTH CHECK, one line per value
 *
 * A process that is killed loses what it had not written yet. A truncated line, or a value that is
 * incomplete or does not match its checksum, counts as missing.
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeFolder } from '../files/make-folder.js';
import { writeFailure } from '../files/write-failure.js';
import { KeyMap } from './key-map.js';

/** A key from everything that the stored value depends on, as JSON values; 128 bits in hexadecimal. */
export const keyOf = (...parts: unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);

/** The location of a value on disk; can be sent to a worker thread, see `readPlace`. */
export interface Place {
  path: string;
  offset: number;
  length: number;
  check: string;
}

export interface StoreFigures {
  entries: number;
  /** bytes of values written by this process */
  written: number;
  /** number of values found damaged so far */
  damaged: number;
}

export interface StoreOptions {
  /** rank of the process, for the names of its packs */
  rank?: number;
  /** called once with a sentence if nothing more can be written */
  onWarning?: (sentence: string) => void;
}

/** Values are written once this many bytes are waiting. */
const BUFFERED = 8 * 2 ** 20;
/** Lists are read in pieces of this many bytes. */
const PIECE = 2 ** 20;
const LINE = /^([0-9a-f]{32}) (\d+) (\d+) ([0-9a-f]{16})$/;

const checkOf = (bytes: Uint8Array): string =>
  createHash('sha1').update(bytes).digest('hex').slice(0, 16);

export class DataStore {
  private readonly places = new KeyMap<Place>();
  /** further locations of the same value: another process made it too, or the first was damaged */
  private readonly copies = new Map<string, Place[]>();
  /** values that have not been written yet */
  private readonly waiting = new Map<string, Uint8Array>();
  private waitingBytes = 0;
  /** for each list, how many of its bytes have been read */
  private readonly read = new Map<string, number>();
  private pack: { values: FileHandle; list: FileHandle; path: string; length: number } | null =
    null;
  private writing: Promise<void> = Promise.resolve();
  private stopped = false;
  private written = 0;
  private damaged = 0;

  private constructor(
    private readonly folder: string,
    private readonly options: StoreOptions,
  ) {}

  /**
   * Opens the store in a folder, or creates it.
   *
   * @throws InputError if the folder cannot be made; JobError if the disk is full
   */
  static open(folder: string, options: StoreOptions = {}): DataStore {
    try {
      makeFolder(folder);
    } catch (cause) {
      throw writeFailure(join(folder, 'store'), cause);
    }
    const store = new DataStore(folder, options);
    store.refresh();
    return store;
  }

  /** Picks up values that other processes have written since. */
  refresh(): void {
    for (const name of readdirSync(this.folder)) {
      if (!name.endsWith('.list') || (this.pack && name === `${basename(this.pack.path)}.list`)) {
        continue;
      }
      this.readList(name);
    }
  }

  /** Reads a list in pieces: millions of lines are longer than a string can be. */
  private readList(name: string): void {
    const path = join(this.folder, name.replace(/list$/, 'pack'));
    const file = openSync(join(this.folder, name), 'r');
    const piece = Buffer.alloc(PIECE);
    try {
      for (let at = this.read.get(name) ?? 0; ; ) {
        const count = readSync(file, piece, 0, PIECE, at);
        // leave an incomplete last line for later; a whole piece without a line end is skipped as garbage
        const end = piece.subarray(0, count).lastIndexOf('\n') + 1 || (count === PIECE ? count : 0);
        if (end === 0) break;
        for (const line of piece.toString('latin1', 0, end).split('\n')) {
          const [, key, offset, length, check] = LINE.exec(line) ?? [];
          if (!key) continue;
          const numbers = { offset: Number(offset), length: Number(length) };
          this.add(key, { path, ...numbers, check: check! });
        }
        at += end;
        this.read.set(name, at);
      }
    } finally {
      closeSync(file);
    }
  }

  has(key: string): boolean {
    return this.waiting.has(key) || this.places.has(key);
  }

  /** The value; null if there is none, or it is damaged. */
  get(key: string): Uint8Array<ArrayBuffer> | null {
    const waiting = this.waiting.get(key);
    if (waiting) return Uint8Array.from(waiting);
    for (let place = this.place(key); place; place = this.place(key)) {
      const bytes = readPlace(place);
      if (bytes) return bytes;
      this.drop(key);
    }
    return null;
  }

  /** The location of a value on disk; null if there is none, or it has not been written yet. */
  place(key: string): Place | null {
    return this.places.get(key) ?? null;
  }

  /** Forgets a value that was found damaged, so that it is computed again. */
  drop(key: string): void {
    if (!this.places.delete(key)) return;
    this.damaged++;
    const copy = this.copies.get(key)?.pop();
    if (copy) this.places.set(key, copy);
  }

  /** Stores a value unless the key has one already; the bytes must not change afterwards. */
  put(key: string, bytes: Uint8Array): void {
    if (this.stopped || this.has(key)) return;
    this.waiting.set(key, bytes);
    this.waitingBytes += bytes.length;
    if (this.waitingBytes >= BUFFERED) void this.flush();
  }

  /** Writes the waiting values. Never fails: if writing is impossible, nothing more is stored. */
  flush(): Promise<void> {
    const batch = [...this.waiting];
    this.waitingBytes = 0;
    this.writing = this.writing.then(async () => {
      const left = batch.filter(([key, bytes]) => this.waiting.get(key) === bytes);
      if (left.length === 0 || this.stopped) return;
      try {
        await this.write(left);
      } catch (cause) {
        this.stopped = true;
        const { message } = writeFailure(this.folder, cause) as Error;
        const sentence = message.replace(/;[^;]*$/, '');
        this.options.onWarning?.(`${sentence}; continuing without storing more`);
      }
      for (const [key] of left) this.waiting.delete(key);
    });
    return this.writing;
  }

  /** Resolves when pending writes are done, so that callers do not outrun the disk. */
  settled(): Promise<void> {
    return this.writing;
  }

  get figures(): StoreFigures {
    const entries = this.places.size + this.waiting.size;
    return { entries, written: this.written, damaged: this.damaged };
  }

  async close(): Promise<void> {
    await this.flush();
    await this.pack?.values.close().catch(() => {});
    await this.pack?.list.close().catch(() => {});
    this.pack = null;
    this.stopped = true;
  }

  private add(key: string, place: Place): void {
    if (!this.places.has(key)) {
      this.places.set(key, place);
      return;
    }
    const copies = this.copies.get(key);
    if (copies) copies.push(place);
    else this.copies.set(key, [place]);
  }

  private async write(values: [string, Uint8Array][]): Promise<void> {
    this.pack ??= await this.begin();
    const { pack } = this;
    const path = `${pack.path}.pack`;
    const lines: string[] = [];
    const placed: [string, Place][] = [];
    let offset = pack.length;
    for (const [key, bytes] of values) {
      const place = { path, offset, length: bytes.length, check: checkOf(bytes) };
      placed.push([key, place]);
      lines.push(`${key} ${offset} ${bytes.length} ${place.check}\n`);
      offset += bytes.length;
    }
    // values first, because a line in the list guarantees that its value is there
    for (const [, bytes] of values) await pack.values.writeFile(bytes);
    await pack.list.writeFile(lines.join(''));
    pack.length = offset;
    for (const [key, place] of placed) this.places.set(key, place);
    this.written += offset - placed[0]![1].offset;
  }

  private async begin() {
    const name = `r${this.options.rank ?? 0}-${randomBytes(4).toString('hex')}`;
    const path = join(this.folder, name);
    const values = await open(`${path}.pack`, 'ax');
    const list = await open(`${path}.list`, 'ax');
    return { values, list, path, length: 0 };
  }
}

/** The bytes at a location; null if they are missing, incomplete or do not match their checksum. */
export function readPlace({ path, offset, length, check }: Place): Uint8Array<ArrayBuffer> | null {
  const bytes = new Uint8Array(length);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return null; // the pack was deleted
  }
  try {
    let filled = 0;
    while (filled < length) {
      const count = readSync(file, bytes, filled, length - filled, offset + filled);
      if (count === 0) return null;
      filled += count;
    }
  } finally {
    closeSync(file);
  }
  return checkOf(bytes) === check ? bytes : null;
}
