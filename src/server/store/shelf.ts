/**
 * Records on disk: a folder for each, with one JSON file in it that is written beside its place and
 * renamed, so that it is always whole. All records are in memory too.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../files/make-folder.js';

export interface Stored {
  /** names the folder: PREFIX_ and 24 hexadecimal digits */
  id: string;
  /** milliseconds since 1970, to order records by */
  createdMs: number;
}

export const newId = (prefix: string): string => `${prefix}_${randomBytes(12).toString('hex')}`;

const isId = (name: string): boolean => /^[a-z]+_[0-9a-f]{24}$/.test(name);

export class Shelf<T extends Stored> {
  private readonly records = new Map<string, T>();
  private readonly writing = new Map<string, Promise<void>>();

  /**
   * @param folder  holds the records' folders; whatever has another name there stays
   * @param file    the name of each record's JSON file
   * @param say     receives a sentence for a folder that holds no record
   */
  constructor(
    readonly folder: string,
    private readonly file: string,
    say: (sentence: string) => void,
  ) {
    makeFolder(folder);
    for (const name of readdirSync(folder).filter(isId)) {
      const path = join(folder, name, file);
      if (!existsSync(path)) {
        // it was being made when the server ended: nobody was told of it
        rmSync(join(folder, name), { recursive: true, force: true });
        continue;
      }
      try {
        this.records.set(name, JSON.parse(readFileSync(path, 'utf8')) as T);
      } catch (error) {
        say(`${path}: is left out, as it cannot be read (${(error as Error).message})`);
      }
    }
  }

  /** The newest first. */
  all(): T[] {
    return [...this.records.values()].sort(
      (a, b) => b.createdMs - a.createdMs || (a.id < b.id ? 1 : -1),
    );
  }

  get(id: string): T | undefined {
    return this.records.get(id);
  }

  get size(): number {
    return this.records.size;
  }

  folderOf(id: string): string {
    return join(this.folder, id);
  }

  /** Makes a record's folder, before the record is written. */
  async makeFolder(id: string): Promise<string> {
    const folder = this.folderOf(id);
    await mkdir(folder, { recursive: true });
    return folder;
  }

  /** Writes a new record, or one that has changed. */
  async write(record: T): Promise<void> {
    await this.put(record);
    this.records.set(record.id, record);
  }

  /** Changes a record: on disk first, so that nobody is told what a restart would not know. */
  async change(record: T, changes: Partial<T>): Promise<void> {
    await this.put({ ...record, ...changes });
    Object.assign(record, changes);
  }

  /** Several writes of one record happen in their order. */
  private put(record: T): Promise<void> {
    const text = `${JSON.stringify(record, null, 1)}\n`;
    const before = this.writing.get(record.id) ?? Promise.resolve();
    const mine = before.catch(() => {}).then(() => this.replace(record.id, text));
    this.writing.set(record.id, mine);
    return mine.finally(() => {
      if (this.writing.get(record.id) === mine) this.writing.delete(record.id);
    });
  }

  async remove(id: string): Promise<void> {
    await this.writing.get(id)?.catch(() => {});
    this.records.delete(id);
    // without its file the folder is no record, even if the rest of it cannot be removed
    await rm(join(this.folderOf(id), this.file), { force: true });
    // something may still be written into it
    await rm(this.folderOf(id), { recursive: true, force: true, maxRetries: 3 });
  }

  private async replace(id: string, text: string): Promise<void> {
    const folder = await this.makeFolder(id);
    const temporary = join(folder, `.${this.file}.tmp`);
    await writeFile(temporary, text);
    await rename(temporary, join(folder, this.file));
  }
}
