/** The JSON beside a result of many: a batch that goes on leaves out what is there with its settings. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { AskedSettings, ResultSettings } from '../../../index.js';

/** Is this the JSON of a result with these settings? One that is missing or damaged is not. */
export function hasSettings(path: string, settings: AskedSettings): boolean {
  const stored = readSettings(path);
  if (stored === null) return false;
  const { made: _, ...before } = stored;
  // as JSON has them: without what is undefined
  return isDeepStrictEqual(before, JSON.parse(JSON.stringify(settings)));
}

/** What is written at `path`; null if that is no JSON object, e.g. half of one. */
function readSettings(path: string): ResultSettings | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof value === 'object' && !Array.isArray(value)
      ? (value as ResultSettings | null)
      : null;
  } catch {
    return null; // then the result is made again, and this file with it
  }
}
