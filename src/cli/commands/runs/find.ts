/** Which runs the words of a command line mean. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../../errors.js';
import { didYouMean } from '../../../suggest.js';
import { isRun } from '../../../train/run/status.js';

/** Where `mfm train` puts them. */
const RUNS = 'runs';

export interface FoundRuns {
  /** where was looked, or the run that was named */
  where: string;
  folders: string[];
  /** several were named, rather than a folder that holds some */
  compare: boolean;
}

/** @throws InputError for a word that is no run and no folder of runs, or a run named twice */
export function findRuns(words: readonly string[]): FoundRuns {
  const [word = RUNS] = words;
  if (words.length > 1) {
    const folders = words.map(runNamed);
    const twice = folders.find((folder, i) => folders.indexOf(folder) < i);
    if (twice) throw new InputError(`mfm runs: ${twice} is named twice; a run is as it is`);
    return { where: word, folders, compare: true };
  }
  // by its name alone, a run in runs/
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
  return didYouMean(word, names) || '; `mfm runs` lists those there are';
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // nothing is there, or a link that leads nowhere
  }
}

const runsIn = (folder: string): string[] =>
  readdirSync(folder)
    .map((name) => join(folder, name))
    .filter(isRun)
    .sort();
