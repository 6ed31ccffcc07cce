/** What a folder of weights or results is called, and whether it has changed. */
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../../../errors.js';

/** Changes with the names, sizes and times of the files of a folder. @throws InputError without one */
export function identityOf(folder: string): string {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new InputError(`${folder}: no such folder`);
  }
  const hash = createHash('sha256');
  for (const name of (readdirSync(folder, { recursive: true }) as string[]).sort()) {
    const stats = statSync(join(folder, name), { throwIfNoEntry: false });
    if (stats?.isFile()) hash.update(`${name}\0${stats.size}\0${stats.mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** `mine` of runs/mine/pipeline, `mfm-mini` of models/mfm-mini. */
export function pipelineName(folder: string): string {
  const full = resolve(folder);
  const own = basename(full);
  return own === 'pipeline' ? basename(dirname(full)) : own;
}
