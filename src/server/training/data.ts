/** Gathers the data of a fine-tuning job in a folder of its own. */
import {
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  realpath,
  stat,
  writeFile,
} from 'node:fs/promises';
import { extname, join, resolve, sep } from 'node:path';
import { badRequest } from '../errors.js';
import type { DataFolder } from '../schemas/training.js';
import type { FileRecord, Files } from '../store/files.js';
import type { FineTuning } from './recipe.js';

export interface GatheredData {
  /** null: the recipe names its own */
  manifest: string | null;
  numFiles: number | null;
}

/**
 * @param folder    of the job, which holds the data
 * @param dataRoot  the folder of `training_folder`; null: there is none
 */
export async function gatherData(
  asked: FineTuning,
  { files, folder, dataRoot }: { files: Files; folder: string; dataRoot: string | null },
): Promise<GatheredData> {
  const ways = (['training_files', 'training_file', 'training_folder'] as const).filter(
    (name) => asked[name] !== undefined,
  );
  if (ways.length > 1) {
    throw badRequest(
      `${ways[1]}: ${ways[0]} names the data already; leave one of them out`,
      ways[1],
    );
  }
  const data = join(folder, 'data');
  if (asked.training_files) {
    await mkdir(data, { recursive: true });
    for (const [i, { file_id, caption }] of asked.training_files.entries()) {
      const file = picture(files, file_id, `training_files.${i}.file_id`);
      const stem = String(i).padStart(5, '0');
      await linked(files.pathOf(file), join(data, stem + extname(file.file)));
      if (caption) await writeFile(join(data, `${stem}.txt`), caption);
    }
    return { manifest: data, numFiles: asked.training_files.length };
  }
  if (asked.training_file !== undefined) {
    await mkdir(data, { recursive: true });
    return fromManifest(files, asked.training_file, data);
  }
  if (asked.training_folder !== undefined) {
    const manifest = await inside(dataRoot, asked.training_folder);
    return { manifest, numFiles: (await readdir(manifest, { recursive: true })).length };
  }
  if (asked.recipe?.data !== undefined) return { manifest: null, numFiles: null };
  throw badRequest(
    'training_files: is missing; name uploaded files, a `training_file`, a `training_folder`, or `data` in the `recipe`',
    'training_files',
  );
}

/**
 * A sentence without the places of a job's files, which nobody outside knows.
 *
 * @param folder    of the job, as for `gatherData`
 * @param manifest  what that answered, if the job has one
 */
export function inFilesWords(
  sentence: string,
  { asked, folder, manifest }: { asked: FineTuning; folder: string; manifest?: string },
): string {
  const named = asked.training_folder;
  if (named !== undefined && manifest) return sentence.replaceAll(manifest, named);
  const data = join(folder, 'data');
  return [resolve(data), data].reduce(
    (text, path) =>
      text
        .split(`${path}${sep}`)
        .reduce((before, after) => before + fileIn(after))
        .replaceAll(path, 'your files'),
    sentence,
  );
}

/** What follows the folder's path, with the name of the file as what it is of the request. */
const fileIn = (text: string): string =>
  text
    .replace(/^manifest\.jsonl/, 'your manifest')
    .replace(
      /^(\d{5})-(\w+)\.\w+/,
      (_, row, key) => `${key} of line ${Number(row) + 1} of your manifest`,
    )
    .replace(/^(\d{5})\.\w+/, (_, index) => `training_files.${Number(index)}`);

/** The folders that `training_folder` may name. */
export async function dataFolders(dataRoot: string | null): Promise<DataFolder[]> {
  if (dataRoot === null) return [];
  const entries = await readdir(dataRoot, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((one) => one.isDirectory()).map(({ name }) => name);
  return Promise.all(
    names.sort().map(async (name) => ({
      name,
      files: (await readdir(join(dataRoot, name)).catch(() => [])).length,
    })),
  );
}

async function inside(dataRoot: string | null, name: string): Promise<string> {
  if (dataRoot === null) {
    throw badRequest(
      'training_folder: the server has no folder of data; start it with --data, or upload the files',
      'training_folder',
    );
  }
  const root = await realpath(dataRoot).catch(() => null);
  const folder = root && (await realpath(join(root, name)).catch(() => null));
  // links lead where they may only if that is inside, too
  if (folder?.startsWith(root + sep) && (await stat(folder)).isDirectory()) return folder;
  throw badRequest(
    `training_folder: there is no "${name}" in the server's folder of data; GET /v1/data lists what there is`,
    'training_folder',
  );
}

const FILE_KEYS = ['image', 'video', 'mask', 'target', 'depth'];

async function fromManifest(files: Files, id: string, data: string): Promise<GatheredData> {
  const manifest = files.shelf.get(id);
  if (manifest?.kind !== 'text') {
    throw badRequest(
      manifest
        ? `training_file: ${manifest.filename} is no text; name a manifest (.jsonl), or pictures as \`training_files\``
        : `training_file: there is no file ${id}; upload it to /v1/files`,
      'training_file',
    );
  }
  const rows = (await readFile(files.pathOf(manifest), 'utf8'))
    .split('\n')
    .filter((line) => line.trim());
  const lines: string[] = [];
  for (const [i, line] of rows.entries()) {
    const where = `training_file: line ${i + 1} of ${manifest.filename}`;
    const row = rowOf(line, where);
    for (const key of FILE_KEYS) {
      if (row[key] === undefined) continue;
      const file = picture(files, String(row[key]), `${where}: ${key}`);
      const name = `${String(i).padStart(5, '0')}-${key}${extname(file.file)}`;
      await linked(files.pathOf(file), join(data, name));
      row[key] = name;
    }
    lines.push(JSON.stringify(row));
  }
  const path = join(data, 'manifest.jsonl');
  await writeFile(path, lines.map((line) => `${line}\n`).join(''));
  return { manifest: path, numFiles: rows.length };
}

function rowOf(line: string, where: string): Record<string, unknown> {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch (error) {
    throw badRequest(
      `${where} is not JSON (${(error as Error).message}); write one object a line`,
      'training_file',
    );
  }
  if (typeof row === 'object' && row !== null && !Array.isArray(row))
    return row as Record<string, unknown>;
  throw badRequest(
    `${where} is no object; write { "image": …, "prompt": … } on each line`,
    'training_file',
  );
}

function picture(files: Files, id: string, field: string): FileRecord {
  const file = files.shelf.get(id);
  if (!file)
    throw badRequest(`${field}: there is no file ${id}; upload it to /v1/files`, 'training_files');
  if (file.kind === 'image' || file.kind === 'video' || file.kind === 'depth') return file;
  throw badRequest(
    `${field}: ${file.filename} is neither a picture nor a clip; name one that is`,
    'training_files',
  );
}

async function linked(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch {
    await copyFile(from, to);
  }
}
