/** Tells the results folder of an evaluation from other folders, so that nothing of others is replaced. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { isObject, readJsonObject } from '../files/read-json.js';
import { isTrialFolder } from './benchmark.js';

/** What the `format` of every version of a report begins with. */
const FORMAT_FAMILY = 'mfm-eval/';

/** Does the folder hold a report, or the beginning of one? Other files of these names are not ours. */
export function isReportFolder(folder: string): boolean {
  const report = jsonIn(join(folder, 'report.json'));
  if (report !== null) return String(report.format).startsWith(FORMAT_FAMILY);
  if (existsSync(join(folder, 'report.json'))) return false;
  const parts = entriesOf(join(folder, 'tasks'));
  const trials = entriesOf(join(folder, 'conditions')).flatMap(entriesOf);
  const ours = parts.every(isPart) && trials.every(isTrialFolder);
  return ours && parts.length + trials.length > 0;
}

const isPart = (path: string): boolean => {
  const stored = jsonIn(path);
  return isObject(stored?.settings) && 'report' in stored;
};

/** The object that a JSON file holds; null if there is no such file. */
function jsonIn(path: string): Record<string, unknown> | null {
  try {
    return readJsonObject(path);
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}

/** Paths in a folder, without hidden files, which may be temporary; none if it is not a folder. */
const entriesOf = (folder: string): string[] =>
  statSync(folder, { throwIfNoEntry: false })?.isDirectory()
    ? readdirSync(folder)
        .filter((name) => !name.startsWith('.'))
        .map((name) => join(folder, name))
    : [];
