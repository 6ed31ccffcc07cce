/**
 * Data sets from whatever they are stored in: a manifest.jsonl, a CSV, a folder of pictures and
 * clips, WebDataset shards. docs/data.md describes the forms.
 */
import { createReadStream, existsSync, type Stats, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import { createInterface } from 'node:readline';
import { InputError } from '../errors.js';
import { expectRegular } from '../regular-file.js';
import { csvRecords } from './csv.js';
import { type DataFile, type DataItem, type Entry, toItem, toRow } from './items.js';
import { CLIP_ENDINGS, expandBraces, IMAGE_ENDINGS, readShard, ShardIndex } from './shards.js';

/**
 * The items of a data set, in its order.
 *
 * @param path  a .jsonl, a .csv, a folder, a .tar, a pattern such as shard-{000000..000012}.tar, or
 *              one picture or clip
 * @throws InputError naming the file, and the line where there is one
 */
export async function* readManifest(path: string): AsyncGenerator<DataItem> {
  for await (const entry of readEntries(path)) {
    if ('problem' in entry) throw entry.problem;
    yield entry.item;
  }
}

/**
 * As `readManifest`, but a row with a mistake is an entry too.
 *
 * @throws InputError if there is nothing to read at all
 */
export async function* readEntries(path: string): AsyncGenerator<Entry> {
  let count = 0;
  for await (const entry of entriesOf(path)) {
    count++;
    yield entry;
  }
  if (count === 0) {
    throw new InputError(
      `${path}: holds no pictures or clips; give a manifest, a folder or shards`,
    );
  }
}

/** @throws InputError if there is no data set of any form; nothing in it is read */
export function expectDataSet(path: string): void {
  entriesOf(path);
}

function entriesOf(path: string): AsyncIterable<Entry> {
  const found = statSync(path, { throwIfNoEntry: false });
  const ending = extname(path).toLowerCase();
  const shards = found ? [] : expandBraces(path);
  if (shards.some((shard) => existsSync(shard))) return eachShard(shards);
  if (!found) {
    throw new InputError(
      `${path}: no such data set; give a .jsonl, a .csv, a folder, or .tar shards`,
    );
  }
  if (found.isDirectory()) return folderEntries(path);
  expectRegular(path, found);
  if (ending === '.tar') return readShard(path);
  if (ending === '.csv') return csvEntries(path);
  if (ending === '.jsonl') return jsonlEntries(path);
  if ([...IMAGE_ENDINGS, ...CLIP_ENDINGS].includes(ending)) return mediaEntries([path]);
  throw new InputError(
    `${path}: must be a .jsonl, a .csv, a folder or .tar shards, got "${basename(path)}"`,
  );
}

async function* eachShard(paths: readonly string[]): AsyncGenerator<Entry> {
  for (const path of paths) yield* readShard(path);
}

async function* jsonlEntries(path: string): AsyncGenerator<Entry> {
  const entryOf = rowReader(path);
  const lines = createInterface({
    input: createReadStream(path, { encoding: 'utf8' }),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  let number = 0;
  for await (const line of lines) {
    number++;
    const text = number === 1 ? line.replace(/^\uFEFF/, '') : line;
    if (text.trim() === '') continue;
    yield entryOf(`${path}:${number}`, (where) => {
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (cause) {
        throw new InputError(`${where}: must be JSON (${(cause as Error).message})`, { cause });
      }
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
      throw new InputError(`${where}: must be an object, e.g. {"video": "a.mp4", "prompt": "…"}`);
    });
  }
}

async function* csvEntries(path: string): AsyncGenerator<Entry> {
  const entryOf = rowReader(path);
  const [header, ...records] = csvRecords(path, await readFile(path, 'utf8'));
  for (const { line, fields } of records) {
    yield entryOf(`${path}:${line}`, (where) => {
      if (fields.length === header!.fields.length) {
        return Object.fromEntries(fields.map((field, i) => [header!.fields[i]!.trim(), field]));
      }
      throw new InputError(
        `${where}: must have ${header!.fields.length} columns as the first line has, got ${fields.length}; put quotes around text with commas`,
      );
    });
  }
}

/** Rows to entries; files lie beside the manifest. */
function rowReader(path: string) {
  const index = new ShardIndex();
  const fileOf = async (name: string): Promise<DataFile> => {
    const full = isAbsolute(name) ? name : join(dirname(path), name);
    // a file that is missing is found out when it is opened
    return (!existsSync(full) && (await index.find(full))) || { name, path: full, member: null };
  };
  return async (where: string, valuesOf: (where: string) => object): Promise<Entry> => {
    try {
      const row = toRow(where, valuesOf(where) as Record<string, unknown>);
      return { where, item: await toItem(where, row, fileOf) };
    } catch (problem) {
      if (problem instanceof InputError) return { where, problem };
      throw problem;
    }
  };
}

/** A manifest.jsonl stands for its folder; then shards; then pictures and clips at any depth. */
async function* folderEntries(path: string): AsyncGenerator<Entry> {
  if (existsSync(join(path, 'manifest.jsonl'))) {
    yield* jsonlEntries(join(path, 'manifest.jsonl'));
    return;
  }
  const names = await readdir(path, { recursive: true });
  const visible = names.filter((name) => !/(^|\/)\./.test(name)).sort();
  const ending = (name: string) => extname(name).toLowerCase();
  const shards = visible.filter((name) => ending(name) === '.tar');
  const media = visible.filter((name) =>
    [...IMAGE_ENDINGS, ...CLIP_ENDINGS].includes(ending(name)),
  );
  yield* eachShard(shards.map((name) => join(path, name)));
  yield* mediaEntries(media.map((name) => join(path, name)));
}

/** NAME.txt is the caption of NAME.mp4, NAME_mask.png its mask. */
async function* mediaEntries(paths: readonly string[]): AsyncGenerator<Entry> {
  const stem = (path: string) => path.slice(0, path.length - extname(path).length);
  const byStem = new Map(paths.map((path) => [stem(path), path]));
  const fileOf = async (path: string): Promise<DataFile> => ({ name: path, path, member: null });
  for (const path of paths) {
    const own = stem(path);
    if (own.endsWith('_mask') && byStem.has(own.slice(0, -'_mask'.length))) continue;
    const stats: Stats | undefined = statSync(`${own}.txt`, { throwIfNoEntry: false });
    const prompt = stats?.isFile() ? await readFile(`${own}.txt`, 'utf8') : '';
    const mask = byStem.get(`${own}_mask`);
    const row = { video: path, prompt, ...(mask === undefined ? {} : { mask }) };
    yield { where: path, item: { ...(await toItem(path, row, fileOf)), kind: 'either' } };
  }
}
