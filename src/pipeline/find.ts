/** Finds the pipeline to use: by folder, by repository name, or the newest if none is named. */
import { readdirSync, type Stats, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InputError, MfmError } from '../errors.js';
import { fromRoot } from '../files/package-root.js';
import { findSnapshot, hubSettings, looksLikeRepo, parseRepo } from '../hub/index.js';
import { openPipeline } from './folder.js';

/**
 * The newest pipeline among runs/NAME/pipeline (in the current folder and in this checkout) and the
 * checkout's models/NAME. Anything else in those folders is skipped.
 *
 * @param say   receives a sentence for each newer pipeline that cannot be opened, and for each
 *              folder that cannot be read
 * @param from  the folder whose runs/ is looked at; default: the current one
 * @throws InputError if there is none
 */
export function newestPipeline(say: (sentence: string) => void = () => {}, from = ''): string {
  const places = [
    ...subfolders(join(from, 'runs'), say).map((folder) => join(folder, 'pipeline')),
    ...subfolders(fromRoot('runs'), say).map((folder) => join(folder, 'pipeline')),
    ...subfolders(fromRoot('models'), say),
  ];
  const found = new Map<string, { folder: string; ms: number }>();
  for (const folder of places) {
    const stats = statsOf(join(folder, 'model_index.json'), say);
    const key = resolve(folder); // in the checkout's own folder both runs/ are the same
    if (stats && !found.has(key)) found.set(key, { folder, ms: stats.mtimeMs });
  }
  for (const { folder } of [...found.values()].sort((a, b) => b.ms - a.ms)) {
    const problem = problemOf(folder);
    if (problem === null) return folder;
    say(`${folder}: is skipped, as it cannot be opened (${problem})`);
  }
  throw new InputError(
    'no pipeline found in runs/ or models/: train one with `mfm train recipes/mfm-mini.yaml`, or name one with `pipeline: FOLDER`',
  );
}

/** Error codes that are about the folder itself, rather than about this process. */
const OF_THE_FOLDER = ['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'];

/** Why a pipeline cannot be opened, e.g. because half of it is missing; null if it can. */
function problemOf(folder: string): string | null {
  try {
    openPipeline(folder).dispose();
    return null;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (error instanceof MfmError || OF_THE_FOLDER.includes(code)) return message;
    throw error;
  }
}

/**
 * The pipeline's folder. A folder is returned as it is; for ORG/NAME and ORG/NAME@REVISION it is the
 * one that `mfm pull` (or Python) downloaded. If a folder of that name exists, it is used.
 * @throws InputError if there is neither, naming the command that downloads it
 */
export function resolvePipeline(nameOrFolder: string): string {
  // anything else that is not a folder is refused by openPipeline
  if (statSync(nameOrFolder, { throwIfNoEntry: false }) || !looksLikeRepo(nameOrFolder)) {
    return nameOrFolder;
  }
  const { cache } = hubSettings();
  const folder = findSnapshot(cache, parseRepo(nameOrFolder));
  if (folder === undefined) {
    throw new InputError(
      `${nameOrFolder}: no such folder, and no download of that name in ${cache}; \`mfm pull ${nameOrFolder}\` fetches it from the hub`,
    );
  }
  return folder;
}

function subfolders(folder: string, say: (sentence: string) => void): string[] {
  if (!statsOf(folder, say)?.isDirectory()) return [];
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch (error) {
    say(`${folder}: cannot be read (${(error as Error).message})`);
    return [];
  }
}

/** The stats of a path; null if nothing is there, as below a file or behind a broken link. */
function statsOf(path: string, say: (sentence: string) => void): Stats | null {
  try {
    return statSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!NOTHING_THERE.includes(code ?? '')) say(`${path}: cannot be read (${message})`);
    return null;
  }
}

const NOTHING_THERE = ['ENOENT', 'ENOTDIR'];
