/** Reads JSON files. */
import { InputError } from './errors.js';
import { readRegularSync } from './regular-file.js';

/** @throws InputError naming the file if it is missing or is no JSON */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readRegularSync(path).toString('utf8'));
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new InputError(`${path}: must be JSON (${(cause as Error).message})`, { cause });
  }
}
