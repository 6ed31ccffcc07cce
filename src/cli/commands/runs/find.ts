/** Finds the runs that a command line names. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../../errors.js';
import { didYouMean } from '../../../suggest.js';
import { isRun } from '../../../train/run/status.js';

/** The folder in which `mfm train` creates runs. */
const RUNS = 'runs';

export interface FoundRuns {
  /** the folder that was searched, or the run that was named */
  where: string;
  folders: string[];
  /** several runs were named, rather than a folder of runs */
  compare: boolean;
}

/** @throws InputError for a word that is neither a run nor a folder of runs, or a run named twice */
export function findRuns(words: readonly string[]): FoundRuns {
  const [word = RUNS] = words;
  if (words.length > 1) {
    const folders = words.map(runNamed);
    const twice = folders.find((folder, i) => folders.indexOf(folder) < i);
    if (twice)
      throw new InputError(`mfm runs: ${twice} is named twice; name different runs to compare`);
    return { where: word, folders, compare: true };
  }
  // a name alone may be a run in runs/
  const named = [word, join(RUNS, word)].find(isRun);
  if (named) return { where: named, folders: [named], compare: false };
  if (!isFolder(word)) {
    if (words.length === 0) throw new InputError(`${RUNS}: no such folder; \`mfm train\` makes it`);
    throw new InputError(`${word}: no such run or folder of runs${hint(word)}`);
  }
  return { where: word, folders: runsIn(word), compare: false };
}

function runNamed(word: string): string {
  const found = [word, join(RUNS, word)].find(isRun);
  if (found) return found;
  if (isFolder(word)) {
    throw new InputError(`${word}: is not the folder of a run (no recipe.json)`);
  }
  throw new InputError(`${word}: no such run${hint(word)}`);
}

function hint(word: string): string {
  const names = isFolder(RUNS) ? runsIn(RUNS).map((folder) => folder.slice(RUNS.length + 1)) : [];
  return didYouMean(word, names) || '; `mfm runs` lists all runs';
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // it does not exist, or is a broken link
  }
}

const runsIn = (folder: string): string[] =>
  readdirSync(folder)
    .map((name) => join(folder, name))
    .filter(isRun)
    .sort();
