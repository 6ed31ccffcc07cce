/**
 * The paths of a recipe are relative to the recipe's own folder, whatever the current folder is.
 * Older recipes had paths relative to the current folder: a path that exists only there is still
 * used, with a note.
 */
import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { expectDataSet } from '../../data/sources/manifest.js';
import { looksLikeRepo } from '../../hub/repo.js';

type Level = Record<string, unknown>;

/** Keys that name a folder: a pipeline, a depth model, or photos. */
const FOLDER_KEYS = [
  ...['base', 'init', 'autoencoder.from', 'textEncoder.from', 'transformer.from'],
  ...['depth.model', 'depthModel.from', 'depthModel.photos'],
];

/** May the value of a key also be a name on the model hub? */
const isOnHub = (key: string, path: string): boolean =>
  key === 'depth.model' && looksLikeRepo(path);

/**
 * Rewrites the paths of a recipe, as parsed from YAML, so that they hold from the current folder.
 *
 * @param folder   the folder of the recipe
 * @param say      receives a sentence about each path that may not mean what its author expects
 */
export function resolvePaths(source: object, folder: string, say: (sentence: string) => void) {
  changePaths(source, (key, path) => {
    const [own, current] = [resolve(folder, path), resolve(path)];
    if (isAbsolute(path) || own === current) return path;
    if (!isThere(own) && !isThere(current) && isOnHub(key, path)) return path;
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

/** A copy of a recipe with absolute paths. */
export function withAbsolutePaths<T extends object>(recipe: T): T {
  const copy = structuredClone(recipe);
  changePaths(copy, (key, path) =>
    isOnHub(key, path) && !existsSync(path) ? path : resolve(path),
  );
  return copy;
}

/**
 * Applies `change` to every path in a recipe. Values of a wrong type are left for the schema to
 * refuse.
 */
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
  const { transformer, distillation } = recipe;
  const stages = isLevel(transformer) ? listOf(transformer.stages) : [];
  const levels: [key: string, level: unknown][] = [
    ['', recipe],
    ['transformer.', transformer],
    ['distillation.', distillation],
    ...stages.map((stage, i): [string, unknown] => [`transformer.stages.${i}.`, stage]),
  ];
  for (const [key, level] of levels) {
    if (!isLevel(level)) continue;
    listOf(level.data).forEach((one, i) => {
      changeAt(one, 'manifest', `${key}data.${i}.manifest`);
      if (isLevel(one)) changeAt(one.miniworld, 'photos', `${key}data.${i}.miniworld.photos`);
    });
  }
}

const isLevel = (value: unknown): value is Level => typeof value === 'object' && value !== null;
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Does a file or folder exist, or do shards match the pattern? */
function isThere(path: string): boolean {
  if (existsSync(path)) return true;
  try {
    expectDataSet(path);
    return true;
  } catch {
    return false;
  }
}

/** A path for messages: relative if it lies below the current folder, else as it is. */
function fromHere(path: string): string {
  const short = relative(process.cwd(), path);
  const isBelow = short !== '' && short.split(sep)[0] !== '..' && !isAbsolute(short);
  return isBelow ? join(short) : path;
}
