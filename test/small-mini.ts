/** The included pipeline with settings of tests, so that these do not depend on its own. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fromRoot } from '../src/files/package-root.js';

const INDEX = 'model_index.json';

/**
 * @param settings  in place of the included pipeline's own; undefined removes one
 * @returns the pipeline folder `mfm-mini` in a folder, made if it is not there; its parts are the included one's
 */
export function smallMini(folder: string, settings: object = {}): string {
  const included = fromRoot('models/mfm-mini');
  const small = join(folder, 'mfm-mini');
  if (existsSync(small)) return small;
  mkdirSync(small);
  for (const name of readdirSync(included)) {
    if (name !== INDEX) symlinkSync(join(included, name), join(small, name));
  }
  const index = JSON.parse(readFileSync(join(included, INDEX), 'utf8'));
  Object.assign(index._mfm, { width: 64, height: 64, ...settings });
  writeFileSync(join(small, INDEX), JSON.stringify(index));
  return small;
}
