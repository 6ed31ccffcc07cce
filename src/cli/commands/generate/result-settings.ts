/** The JSON beside each result of a batch: a resumed batch skips results that have the same settings. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { AskedSettings, ResultSettings } from '../../../index.js';

/** Does the file hold a result's JSON with these settings? A missing or damaged file does not. */
export function hasSettings(path: string, settings: AskedSettings): boolean {
  const stored = readSettings(path);
  if (stored === null) return false;
  const { made: _, ...before } = stored;
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
