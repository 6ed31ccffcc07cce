/** Gathers the data of a fine-tuning job in a folder of its own. */
import { copyFile, link, mkdir, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { badRequest } from '../errors.js';
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

/** The folders that `training_folder` may name. */
export async function dataFolders(
  dataRoot: string | null,
): Promise<{ name: string; files: number }[]> {
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
  const root = await realpath(dataRoot);
  const folder = await realpath(join(root, name)).catch(() => null);
  // links lead where they may only if that is inside, too
  if (folder?.startsWith(root + sep)) return folder;
  throw badRequest(
    `training_folder: there is no "${name}" in the server's folder of data; GET /v1/data lists what there is`,
    'training_folder',
  );
}

const FILE_KEYS = ['image', 'video', 'mask', 'target', 'depth'];

async function fromManifest(files: Files, id: string, data: string): Promise<GatheredData> {
  const manifest = files.get(id);
  const rows = (await readFile(files.pathOf(manifest), 'utf8'))
    .split('\n')
    .filter((line) => line.trim());
  const lines: string[] = [];
  for (const [i, line] of rows.entries()) {
    const where = `training_file: line ${i + 1} of ${manifest.filename}`;
    let row: Record<string, unknown>;
    try {
      row = JSON.parse(line) as Record<string, unknown>;
    } catch (error) {
      throw badRequest(
        `${where} is not JSON (${(error as Error).message}); write one object a line`,
        'training_file',
      );
    }
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
