/**
 * The paths of a recipe are relative to its own folder, wherever it is read from. Older recipes
 * had them relative to the current folder: a path that is only there is still taken, and a line says so.
 */
import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { expectDataSet } from '../../data/sources/manifest.js';

type Level = Record<string, unknown>;

/** Folders of pipelines, by their keys. */
const FOLDER_KEYS = ['base', 'init', 'autoencoder.from', 'textEncoder.from', 'transformer.from'];

/**
 * Changes the paths of a recipe, as YAML has it, to those that they mean from the current folder.
 *
 * @param folder   the recipe's
 * @param say      is called with a sentence for a path that means another thing than it may seem to
 */
export function resolvePaths(source: object, folder: string, say: (sentence: string) => void) {
  changePaths(source, (key, path) => {
    const [own, current] = [resolve(folder, path), resolve(path)];
    if (isAbsolute(path) || own === current) return path;
    if (!isThere(current)) return fromHere(own);
    if (!isThere(own)) {
      say(
        `${key}: ${path} is taken from the current folder, as it is not beside the recipe (${fromHere(own)}); write it relative to the folder of the recipe`,
      );
      return path;
    }
    if (realpathSync(own) === realpathSync(current)) return path;
    say(
      `${key}: ${path} is taken from beside the recipe (${fromHere(own)}), not from the current folder`,
    );
    return fromHere(own);
  });
}

/** A copy of a recipe whose paths hold from any folder. */
export function withAbsolutePaths<T extends object>(recipe: T): T {
  const copy = structuredClone(recipe);
  changePaths(copy, (_, path) => resolve(path));
  return copy;
}

/** Changes every path in a recipe. Values of a wrong type are left for the schema to refuse. */
function changePaths(source: object, change: (key: string, path: string) => string): void {
  const changeAt = (level: unknown, name: string, key: string) => {
    if (!isLevel(level) || !Object.hasOwn(level, name)) return;
    const path = level[name];
    if (typeof path === 'string' && path !== '') level[name] = change(key, path);
  };
  const recipe = source as Level;
  for (const key of FOLDER_KEYS) {
    const names = key.split('.');
    const name = names.pop()!;
    changeAt(names.length === 0 ? recipe : recipe[names[0]!], name, key);
  }
  const { transformer } = recipe;
  const stages = isLevel(transformer) ? listOf(transformer.stages) : [];
  const levels: [key: string, level: unknown][] = [
    ['', recipe],
    ['transformer.', transformer],
    ...stages.map((stage, i): [string, unknown] => [`transformer.stages.${i}.`, stage]),
  ];
  for (const [key, level] of levels) {
    if (!isLevel(level)) continue;
    listOf(level.data).forEach((one, i) => {
      changeAt(one, 'manifest', `${key}data.${i}.manifest`);
    });
  }
}

const isLevel = (value: unknown): value is Level => typeof value === 'object' && value !== null;
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** A file or folder, or shards by a pattern. */
function isThere(path: string): boolean {
  if (existsSync(path)) return true;
  try {
    expectDataSet(path);
    return true;
  } catch {
    return false;
  }
}

/** A path for messages: relative where it is below the current folder. */
function fromHere(path: string): string {
  const short = relative(process.cwd(), path);
  const isBelow = short !== '' && short.split(sep)[0] !== '..' && !isAbsolute(short);
  return isBelow ? join(short) : path;
}
