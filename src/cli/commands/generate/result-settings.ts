/**
 * The JSON that stays with a result: the settings it follows from, and under `made` what it came to
 * and with which versions. A batch that goes on compares the settings alone, so an upgraded program
 * does not make again what is there.
 */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { packageVersion } from '../../../files/package-root.js';

/** What is asked for: options that are given, and the pipeline's own settings. */
export type AskedSettings = Record<string, unknown>;

export interface ResultSettings extends AskedSettings {
  made?: Record<string, unknown>;
}

/** The programs and the kernels that compute. */
export async function versions(): Promise<Record<string, string>> {
  const { engineInfo } = await import('../../../tensor/index.js');
  const { libtorch, kernels } = engineInfo();
  return { mfm: packageVersion, libtorch, node: process.version.slice(1), kernels };
}

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
