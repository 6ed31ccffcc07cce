/** Loads user-defined tasks from a module that exports what `defineTask` returns. */
import { existsSync } from 'node:fs';
import module from 'node:module';
import { extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { InputError } from '../errors.js';
import { expectTask } from './define-task.js';
import type { Task } from './task.js';

/** User-defined tasks. */
export interface OwnTasks {
  tasks: readonly Task[];
  /** the file that declares them, which worker threads load too; null: they are only in memory */
  file: string | null;
}

export const NO_OWN_TASKS: OwnTasks = { tasks: [], file: null };

/**
 * The tasks passed to `train`: a list of tasks, or the file that declares them.
 * @throws InputError for a task that is wrong or appears twice, or a file that has none
 */
export async function ownTasksOf(given: string | URL | readonly Task[] = []): Promise<OwnTasks> {
  if (typeof given === 'string' || given instanceof URL) return loadTasks(given);
  for (const task of given) expectTask(task, 'tasks');
  expectDistinct(given, 'tasks');
  return { tasks: given, file: null };
}

/**
 * The tasks that a JavaScript or TypeScript module exports, under any names. TypeScript needs Node.js
 * 22.18 or newer, or tsx. An import of `mfm/tasks` in the module resolves to this program, wherever
 * the file is.
 *
 * @param path   a path from the current folder, or a file: URL
 * @throws InputError if there is no such file, it cannot be loaded, or has no task or a wrong one
 */
export async function loadTasks(path: string | URL): Promise<OwnTasks> {
  const file =
    path instanceof URL || path.startsWith('file:') ? fileURLToPath(path) : resolve(path);
  const shown = String(path);
  if (!existsSync(file)) {
    throw new InputError(`${shown}: no such file; name the module that declares your tasks`);
  }
  const exported = await load(file, shown);
  const tasks = [...new Set(exported.flat())].filter(
    (value) => typeof value === 'object' && value !== null && 'id' in value,
  );
  if (tasks.length === 0) {
    throw new InputError(
      `${shown}: exports no task; write \`export const mine = defineTask({ … })\`, see docs/tasks.md`,
    );
  }
  for (const task of tasks) expectTask(task, shown);
  expectDistinct(tasks as Task[], shown);
  return { tasks: tasks as Task[], file };
}

async function load(file: string, shown: string): Promise<unknown[]> {
  resolveOurselves();
  try {
    return Object.values(await import(pathToFileURL(file).href));
  } catch (cause) {
    const { code, message } = (cause ?? {}) as Partial<NodeJS.ErrnoException>;
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
      throw new InputError(
        `${shown}: ${extname(file)} files need Node.js 22.18 or newer, this is ${process.version}; compile it to a .js file and name that`,
        { cause },
      );
    }
    // the message of `defineTask` is a complete sentence
    if (cause instanceof InputError) throw new InputError(`${shown}: ${message}`, { cause });
    throw new InputError(
      `${shown}: cannot be loaded (${String(message ?? cause).split('\n')[0]})`,
      {
        cause,
      },
    );
  }
}

function expectDistinct(tasks: readonly Task[], where: string): void {
  const twice = tasks.find(({ id }, i) => tasks.findIndex((task) => task.id === id) !== i);
  if (twice) throw new InputError(`${where}: two tasks have the id "${twice.id}"; rename one`);
}

/**
 * Resolves imports of `mfm` and `mfm/NAME` to the modules that already run, so that a file of tasks
 * needs no installed package and shares their classes. A file that imports or exports counts as a
 * module even if no package.json says so, as in newer versions of Node.js; as CommonJS it would load
 * all of this a second time.
 */
const RESOLVER = `
  import { readFileSync } from 'node:fs';
  let root, extension;
  export function initialize(data) {
    ({ root, extension } = data);
  }
  export async function resolve(specifier, context, next) {
    const [own, name] = /^mfm(?:\\/([a-z]+))?$/.exec(specifier) ?? [];
    if (own) return next(root + (name ? name + '/' : '') + 'index' + extension, context);
    const found = await next(specifier, context);
    const { format, url } = found;
    const isOther = format !== 'commonjs' || url.startsWith(root) || url.includes('/node_modules/');
    return isOther || !isModule(url) ? found : { ...found, format: 'module' };
  }
  function isModule(url) {
    const path = new URL(url.replace(/[?#].*/, ''));
    return /\\.[jt]s$/.test(path) && /^(import|export)\\b/m.test(readFileSync(path, 'utf8'));
  }
`;

let resolves = false;

function resolveOurselves(): void {
  if (resolves) return;
  resolves = true;
  const data = { root: new URL('..', import.meta.url).href, extension: extname(import.meta.url) };
  module.register(`data:text/javascript,${encodeURIComponent(RESOLVER)}`, { data });
}
