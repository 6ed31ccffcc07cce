/**
 * Journal of a preparation, one line per finished item, so that it can be resumed after being stopped at
 * any moment. A line that was cut off counts as not written.
 */
import { existsSync, readFileSync, truncateSync } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InputError } from '../../errors.js';
import type { Fingerprint } from '../measure/duplicates.js';
import type { StagedFile } from './make-clips.js';

/** A clip that is kept. */
export interface ClipRecord extends Fingerprint {
  key: string;
  /** in the order in which they are stored in the shard */
  files: StagedFile[];
  /** its line in the manifest, without the files */
  row: Record<string, unknown>;
  isImage: boolean;
}

/** The outcome for one item. */
export interface ItemRecord {
  where: string;
  clips: ClipRecord[];
  tooShort: number;
  /** one sentence per clip: why it could not be read or cut, and which clip it duplicates */
  problems: string[];
  duplicates: string[];
  /** notes from reading it; absent in journals of older versions */
  notes?: string[];
}

export class Journal {
  private constructor(
    private readonly file: FileHandle,
    readonly items: readonly ItemRecord[],
  ) {}

  /**
   * Opens the journal of a preparation, or starts a new one.
   *
   * @param settings  everything that the result depends on, as JSON
   * @throws InputError if the journal was started with other settings
   */
  static async open(path: string, settings: string): Promise<Journal> {
    await mkdir(dirname(path), { recursive: true });
    const lines = existsSync(path) ? wholeLines(path) : [];
    if (lines.length > 0 && lines[0] !== settings) {
      throw new InputError(
        `${dirname(path)}: was begun with other settings (${differing(lines[0]!, settings)}); give the same ones to resume, or another folder`,
      );
    }
    const file = await open(path, 'a');
    const items = lines.slice(1).map((line) => JSON.parse(line) as ItemRecord);
    const journal = new Journal(file, items);
    if (lines.length === 0) await journal.append(settings);
    return journal;
  }

  async add(item: ItemRecord): Promise<void> {
    await this.append(JSON.stringify(item));
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  private async append(line: string): Promise<void> {
    await this.file.appendFile(`${line}\n`);
    await this.file.datasync();
  }
}

/** Reads the complete lines, and removes an incomplete last one from the file. */
function wholeLines(path: string): string[] {
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf('\n') + 1;
  if (end < bytes.length) truncateSync(path, end);
  return bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
}

/** Names of the settings that differ. */
function differing(before: string, now: string): string {
  const [a, b] = [before, now].map((text) => JSON.parse(text) as Record<string, unknown>);
  const names = Object.keys({ ...a, ...b });
  return names.filter((name) => JSON.stringify(a![name]) !== JSON.stringify(b![name])).join(', ');
}
