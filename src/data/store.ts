/**
 * Bytes by key on the disk: what takes long to make and is wanted again. Each process writes packs of
 * its own, to their end only, and reads those of all:
 *
 *     FOLDER/r0-1f2e3d4c.pack   values, one after another
 *     FOLDER/r0-1f2e3d4c.list   KEY OFFSET LENGTH CHECK, a line for each value
 *
 * A process that is killed loses what it had not written yet. A line that was cut off, a value that
 * is not all there or not what was written, count as missing.
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeFailure } from '../files/atomic.js';
import { makeFolder } from '../files/make-folder.js';
import { KeyMap } from './key-map.js';

/** A key of the parts that what is stored depends on, in any JSON; 128 bits in hexadecimal. */
export const keyOf = (...parts: unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);

/** Where a value lies; can be sent to a worker thread, see `readPlace`. */
export interface Place {
  path: string;
  offset: number;
  length: number;
  check: string;
}

export interface StoreFigures {
  entries: number;
  /** of values written by this process */
  written: number;
  /** values found damaged so far */
  damaged: number;
}

export interface StoreOptions {
  /** of the process; for the names of its packs */
  rank?: number;
  /** told once if nothing more can be written, in a sentence */
  onWarning?: (sentence: string) => void;
}

/** Bytes that wait before they are written. */
const BUFFERED = 8 * 2 ** 20;
/** Bytes of a list that are read at once. */
const PIECE = 2 ** 20;
const LINE = /^([0-9a-f]{32}) (\d+) (\d+) ([0-9a-f]{16})$/;

const checkOf = (bytes: Uint8Array): string =>
  createHash('sha1').update(bytes).digest('hex').slice(0, 16);

export class DataStore {
  private readonly places = new KeyMap<Place>();
  /** where the same is stored once more: another process made it too, or the first was damaged */
  private readonly copies = new Map<string, Place[]>();
  /** values that are not written yet */
  private readonly waiting = new Map<string, Uint8Array>();
  private waitingBytes = 0;
  /** of each list, the bytes that are read */
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
   * Opens the store of a folder, or begins one.
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

  /** Takes notice of what other processes have written since. */
  refresh(): void {
    for (const name of readdirSync(this.folder)) {
      if (!name.endsWith('.list') || (this.pack && name === `${basename(this.pack.path)}.list`)) {
        continue;
      }
      this.readList(name);
    }
  }

  /** In pieces: millions of lines are more than a string may hold. */
  private readList(name: string): void {
    const path = join(this.folder, name.replace(/list$/, 'pack'));
    const file = openSync(join(this.folder, name), 'r');
    const piece = Buffer.alloc(PIECE);
    try {
      for (let at = this.read.get(name) ?? 0; ; ) {
        const count = readSync(file, piece, 0, PIECE, at);
        // what follows the last line end is not written yet, or never was; so much is no line
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

  /** Where a value lies on the disk; null if there is none, or it is not written yet. */
  place(key: string): Place | null {
    return this.places.get(key) ?? null;
  }

  /** Forgets a value that was found damaged, so that it is made anew. */
  drop(key: string): void {
    if (!this.places.delete(key)) return;
    this.damaged++;
    const copy = this.copies.get(key)?.pop();
    if (copy) this.places.set(key, copy);
  }

  /** Keeps a value; the bytes must not change afterwards. What is there already stays. */
  put(key: string, bytes: Uint8Array): void {
    if (this.stopped || this.has(key)) return;
    this.waiting.set(key, bytes);
    this.waitingBytes += bytes.length;
    if (this.waitingBytes >= BUFFERED) void this.flush();
  }

  /** Writes what waits. Never fails: where nothing can be written, nothing more is kept. */
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
        this.options.onWarning?.(`${sentence}; going on without keeping more`);
      }
      for (const [key] of left) this.waiting.delete(key);
    });
    return this.writing;
  }

  /** Until what is being written is written: for whoever makes values faster than the disk takes them. */
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
    // values first: a line promises that its value is there
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

/** The bytes at a place; null if they are not all there, or not those that were written. */
export function readPlace({ path, offset, length, check }: Place): Uint8Array<ArrayBuffer> | null {
  const bytes = new Uint8Array(length);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return null; // somebody cleaned up
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
