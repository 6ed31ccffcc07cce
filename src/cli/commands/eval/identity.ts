/** The name of a folder of weights or results, and a hash that shows whether figures still hold. */
import { statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { keyOf } from '../../../data/store.js';
import { InputError } from '../../../errors.js';
import { stampOf } from '../../../files/stamp.js';

/** What figures depend on beside the options: files, by their names, sizes and times, and versions. */
export interface Origins {
  /** folder of the pipeline, or of another system's results; its place does not matter */
  made: string;
  /** files of tasks, and of the network whose features are compared */
  files: readonly string[];
  /** text that changes with the items of a data set; '' for scenes of MiniWorld */
  items: string;
  versions: Record<string, string>;
}

/** A hash that changes with any of these. */
export function identityOf({ made, files, items, versions }: Origins): string {
  return keyOf(stampOf(made), files.map(stampOf), items, versions);
}

/** @throws InputError if there is no such folder */
export function expectFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new InputError(`${folder}: no such folder`);
}

/** `mine` for runs/mine/pipeline, `mfm-mini` for models/mfm-mini. */
export function pipelineName(folder: string): string {
  const full = resolve(folder);
  const own = basename(full);
  return own === 'pipeline' ? basename(dirname(full)) : own;
}
