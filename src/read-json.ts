/** Reads JSON files. */
import { readFileSync } from 'node:fs';
import { InputError } from './errors.js';

/** @throws InputError naming the file if it is missing or is no JSON */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new InputError(`${path}: must be JSON (${(cause as Error).message})`, { cause });
  }
}
