/** Which pipeline is meant: by a folder, by a repository's name, or when none is named. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors.js';
import { findSnapshot, hubSettings, looksLikeRepo, parseRepo } from '../hub/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The newest pipeline that this checkout trained (runs/NAME/pipeline, also of the current folder)
 * or carries (models/NAME).
 * @throws InputError if there is none
 */
export function newestPipeline(): string {
  const places = [
    ...subfolders('runs').map((name) => join('runs', name, 'pipeline')),
    ...subfolders(join(root, 'runs')).map((name) => join(root, 'runs', name, 'pipeline')),
    ...subfolders(join(root, 'models')).map((name) => join(root, 'models', name)),
  ];
  const found = places.flatMap((folder) => {
    const index = statSync(join(folder, 'model_index.json'), { throwIfNoEntry: false });
    return index ? [{ folder, ms: index.mtimeMs }] : [];
  });
  found.sort((a, b) => b.ms - a.ms);
  if (!found[0]) {
    throw new InputError(
      'no pipeline found in runs/ or models/: train one with `mfm train recipes/mfm-mini.yaml`, or name one with --pipeline FOLDER',
    );
  }
  return found[0].folder;
}

/**
 * The folder that is meant: itself, or for ORG/NAME and ORG/NAME@REVISION what `mfm pull` (or
 * Python) downloaded. A folder of that name wins.
 * @throws InputError if it is neither, naming the command that downloads it
 */
export function resolvePipeline(nameOrFolder: string): string {
  // what else is no folder is for openPipeline to refuse
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

function subfolders(folder: string): string[] {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(folder) : [];
}
