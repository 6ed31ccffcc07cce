/** The JSON beside each result of a batch: a resumed batch skips results that have the same settings. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { keyOf } from '../../../data/store.js';
import { stampOf } from '../../../files/stamp.js';
import type { AskedSettings, ResultSettings } from '../../../index.js';

/** What changes with what a result was made of and with. */
interface Stamps {
  /** the files that were read */
  files: string;
  /** the pipeline and other networks, and tasks of one's own; results without it are kept */
  weights: string;
}

/** A hash that changes with the names, sizes and times of files, and of those in folders. */
export const stampOfAll = (paths: readonly string[]): string => keyOf(paths.map(stampOf));

/**
 * Does the file hold a result's JSON with these settings, made from the same files? A missing or damaged
 * file does not.
 *
 * Results of earlier versions have no stamps, and count as made from the same.
 */
export function hasSettings(
  path: string,
  settings: AskedSettings,
  { files, weights }: Stamps,
): boolean {
  const stored = readSettings(path);
  if (stored === null) return false;
  const { made, ...before } = stored;
  if ((made?.files ?? files) !== files) return false;
  if ((made?.weights ?? weights) !== weights) return false;
  // as they are in JSON: without undefined values
  return isDeepStrictEqual(before, JSON.parse(JSON.stringify(settings)));
}

/** The file's settings; null if it is not a complete JSON object. */
function readSettings(path: string): ResultSettings | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof value === 'object' && !Array.isArray(value)
      ? (value as ResultSettings | null)
      : null;
  } catch {
    return null; // the result is then generated again, and this file with it
  }
}
