/**
 * Reads data sets in any form: a manifest.jsonl, a CSV, a folder of pictures and clips, or WebDataset
 * shards. docs/data.md describes the forms.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import { InputError } from '../../errors.js';
import { expectRegular } from '../../files/regular-file.js';
import { sniff } from '../../media/codecs/sniff.js';
import { expandBraces } from './braces.js';
import { readCsv } from './csv.js';
import { folderEntries, mediaEntries } from './folder.js';
import { type DataFile, type DataItem, type Entry, toItem, toRow } from './items.js';
import { jsonRow } from './json-row.js';
import { endingOf, fileKind, isMedia, MANIFEST, refusalOf } from './kinds.js';
import { PassedOver } from './passed-over.js';
import { readShard, ShardIndex } from './shards.js';
import { MAX_TEXT, textLines } from './text.js';

export interface ReadOptions {
  /** called with facts about the data set beside its entries, such as skipped files, a sentence each */
  onNote?: (sentence: string) => void;
}

/**
 * The items of a data set, in its order.
 *
 * @param path  a .jsonl, a .csv, a folder, a .tar, a pattern such as shard-{000000..000012}.tar, or
 *              one picture or clip
 * @throws InputError naming the file and, if there is one, the line
 */
export async function* readManifest(path: string): AsyncGenerator<DataItem> {
  for await (const entry of readEntries(path)) {
    if ('problem' in entry) throw entry.problem;
    yield entry.item;
  }
}

/**
 * Like `readManifest`, but a faulty row becomes an entry with a `problem`.
 *
 * @throws InputError if there is nothing to read at all
 */
export async function* readEntries(
  path: string,
  { onNote }: ReadOptions = {},
): AsyncGenerator<Entry> {
  const passedOver = new PassedOver();
  let count = 0;
  for await (const entry of entriesOf(path, passedOver)) {
    if (++count % LOOK_EVERY === 0) expectRoom(path, count);
    yield entry;
  }
  const notes = passedOver.sentences(path);
  if (count === 0) {
    const others = notes.length > 0 ? ` (${notes.join('; ')})` : '';
    throw new InputError(
      `${path}: holds no pictures or clips${others}; give a manifest, a folder or shards`,
    );
  }
  for (const note of notes) onNote?.(note);
}

/** Free memory is checked after this many entries. */
const LOOK_EVERY = 10_000;
/** Share of the heap that entries may fill; later processing needs the rest. */
const MOST_MEMORY = 0.8;

/** @throws InputError if the entries of a data set, which are all held in memory, need too much of it */
function expectRoom(path: string, count: number): void {
  const { used_heap_size, heap_size_limit } = getHeapStatistics();
  if (used_heap_size < MOST_MEMORY * heap_size_limit) return;
  throw new InputError(
    `${path}: holds more items than there is memory for, stopped after ${count}; split it, or give Node.js more with NODE_OPTIONS=--max-old-space-size=16384`,
  );
}

/** @throws InputError if there is no data set at the path, in any form; does not read its contents */
export function expectDataSet(path: string): void {
  entriesOf(path, new PassedOver());
}

function entriesOf(path: string, passedOver: PassedOver): AsyncIterable<Entry> {
  const found = statSync(path, { throwIfNoEntry: false });
  const shards = found ? [] : expandBraces(path);
  if (shards.some((shard) => existsSync(shard))) return eachShard(shards, passedOver);
  if (!found) {
    const isGlob = /[*?]|\[.+\]/.test(path);
    throw new InputError(
      isGlob
        ? `${path}: no such data set; * and ? are not expanded here, give the folder or a range as in shard-{000000..000012}.tar`
        : `${path}: no such data set; give a .jsonl, a .csv, a folder, or .tar shards`,
    );
  }
  if (found.isDirectory()) {
    const manifest = join(path, MANIFEST);
    if (!existsSync(manifest)) return folderEntries(path, passedOver);
    expectRegular(manifest, statSync(manifest));
    return listedFolder(path, manifest, passedOver);
  }
  expectRegular(path, found);
  return fileEntries(path, passedOver);
}

function fileEntries(path: string, passedOver: PassedOver): AsyncIterable<Entry> {
  const ending = endingOf(path);
  if (ending === '.csv' || ending === '.tsv') return csvEntries(path);
  if (ending === '.jsonl') return jsonlEntries(path);
  const one = [{ path, problem: null, isLink: false, place: null }];
  if (isMedia(path)) return mediaEntries(one, passedOver);
  switch (fileKind(path)) {
    case 'shard':
      return readShard(path, passedOver);
    case 'refused':
      throw new InputError(`${path}: ${refusalOf(path)}`);
    case 'other':
      return ifMedia(path, mediaEntries(one, passedOver));
    default:
      throw noDataSet(path);
  }
}

/** A file with an unknown extension may still be a picture or a clip. */
async function* ifMedia(path: string, entries: AsyncIterable<Entry>): AsyncGenerator<Entry> {
  const kind = await sniff(path).catch(() => 'unknown');
  if (kind === 'unknown') throw noDataSet(path);
  yield* entries;
}

const noDataSet = (path: string) =>
  new InputError(
    `${path}: must be a .jsonl, a .csv, a folder or .tar shards, got "${basename(path)}"`,
  );

async function* eachShard(paths: readonly string[], passedOver: PassedOver): AsyncGenerator<Entry> {
  for (const path of paths) yield* readShard(path, passedOver);
}

async function* jsonlEntries(path: string): AsyncGenerator<Entry> {
  const entryOf = rowReader(path);
  for await (const { number, text, tooLong } of textLines(path)) {
    if (text.trim() === '') continue;
    yield entryOf(`${path}:${number}`, (where) => {
      if (tooLong) {
        throw new InputError(`${where}: must have at most ${MAX_TEXT} characters, got more`);
      }
      return jsonRow(where, text, '{"video": "a.mp4", "prompt": "…"}');
    });
  }
}

async function* csvEntries(path: string): AsyncGenerator<Entry> {
  const entryOf = rowReader(path);
  for await (const record of readCsv(path)) {
    yield entryOf(`${path}:${record.line}`, () => {
      if ('problem' in record) throw record.problem;
      return record.values;
    });
  }
}

/** After this many faulty rows and no valid one, the file is not considered a list of media. */
const MOST_WRONG = 1000;

/** Returns a function that turns rows into entries; file names are relative to the manifest's folder. */
function rowReader(path: string) {
  const index = new ShardIndex();
  let [good, wrong] = [0, 0];
  const fileOf = async (name: string): Promise<DataFile> => {
    const full = isAbsolute(name) ? name : join(dirname(path), name);
    // a missing file is detected when it is opened
    return (!existsSync(full) && (await index.find(full))) || { name, path: full, member: null };
  };
  return async (
    where: string,
    valuesOf: (where: string) => Record<string, unknown>,
  ): Promise<Entry> => {
    try {
      const row = toRow(where, valuesOf(where));
      const item = await toItem(where, row, fileOf);
      good++;
      return { where, item };
    } catch (problem) {
      if (!(problem instanceof InputError)) throw problem;
      if (++wrong < MOST_WRONG || good > 0) return { where, problem };
      throw new InputError(
        `${path}: is not a list of pictures or clips: its first ${wrong} rows are wrong (the last: ${problem.message}); docs/data.md has the forms`,
        { cause: problem },
      );
    }
  };
}

/** Reads a folder by its manifest.jsonl; media files that it does not name are counted as skipped. */
async function* listedFolder(
  folder: string,
  manifest: string,
  passedOver: PassedOver,
): AsyncGenerator<Entry> {
  const named = new Set<string>();
  for await (const entry of jsonlEntries(manifest)) {
    if ('item' in entry) {
      const { media, target, mask, depth } = entry.item;
      for (const file of [media, target, mask, depth]) if (file) named.add(file.path);
    }
    yield entry;
  }
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const counts = isMedia(name) || ['shard', 'refused'].includes(fileKind(name));
    if (counts && !name.startsWith('.') && !named.has(path)) {
      passedOver.add(path, `${endingOf(name)} not in manifest.jsonl`);
    }
  }
}
