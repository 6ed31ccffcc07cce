/** Builds the native addon from native/ for one LibTorch, and replaces the previous addon. */
import { createHash, randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import { ADDON, type BuildRecord, RECORD } from '../../../files/addon.js';
import { fromRoot, isCheckout } from '../../../files/package-root.js';
import type { LibTorch } from './find-libtorch.js';
import { hasCommand, runTool, say } from './tools.js';

/** Everything that an addon depends on; if any of it changes, the addon is built again. */
interface BuildKey extends BuildRecord {
  /** path, size and time, as a package upgraded in place keeps its path and often its version */
  libtorch: string;
  /** hash of native/ */
  sources: string;
}

/** Is the addon in `folder` up to date for this LibTorch? */
export function isBuilt(folder: string, libTorch: LibTorch): boolean {
  if (!existsSync(join(folder, ADDON))) return false;
  return JSON.stringify(readKey(folder)) === JSON.stringify(buildKey(libTorch));
}

/**
 * Builds the addon and moves it into `folder` once it is complete; until then the previous one stays.
 * In a checkout the build's files are kept in `folder`/native, so that the next build compiles only what
 * has changed.
 *
 * @throws JobError if CMake or the compiler fails
 */
export function buildAddon(folder: string, libTorch: LibTorch): void {
  const key = buildKey(libTorch);
  say(`building the addon against LibTorch ${key.version} (${key.source})`);
  mkdirSync(folder, { recursive: true });
  const work = isCheckout ? keptWork(folder, key) : mkdtempSync(join(folder, 'native-'));
  try {
    compile(work, libTorch);
    replace(join(folder, ADDON), (path) => copyFileSync(join(work, ADDON), path));
    const text = `${JSON.stringify(key, null, 2)}\n`;
    replace(join(folder, RECORD), (path) => writeFileSync(path, text));
  } finally {
    if (!isCheckout) rmSync(work, { recursive: true, force: true });
  }
}

function compile(work: string, libTorch: LibTorch): void {
  const facts = join(work, 'libtorch.json');
  writeFileSync(facts, JSON.stringify(libTorch, null, 2));
  const generator =
    hasCommand('ninja') && !existsSync(join(work, 'CMakeCache.txt')) ? ['-G', 'Ninja'] : [];
  runTool([
    ...['cmake', '-S', fromRoot('native'), '-B', work, ...generator],
    ...[`-DMFM_LIBTORCH=${facts}`, `-DMFM_NODE_HEADERS=${nodeHeaders()}`],
    ...[`-DMFM_OUTPUT_DIR=${work}`, '-DCMAKE_BUILD_TYPE=Release'],
  ]);
  // compiling a unit takes up to 1.5 GB of memory
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 2e9)));
  runTool(['cmake', '--build', work, '--parallel', String(jobs)]);
}

/** Writes a temporary file, then renames it, so that other programs find the old or the new one. */
function replace(path: string, write: (path: string) => void): void {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  write(temporary);
  renameSync(temporary, path);
}

/** The folder with the last build's files, emptied if they would mislead CMake. */
function keptWork(folder: string, key: BuildKey): string {
  const work = join(folder, 'native');
  // after a change of LibTorch or a move of the checkout, CMake's cache would point to the old one
  if (readKey(folder)?.libtorch !== key.libtorch || cachedSources(work) !== fromRoot('native')) {
    rmSync(work, { recursive: true, force: true });
  }
  mkdirSync(work, { recursive: true });
  return work;
}

/** The folder of the sources at the last build. */
function cachedSources(work: string): string | undefined {
  const cache = join(work, 'CMakeCache.txt');
  if (!existsSync(cache)) return undefined;
  return /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
}

function buildKey({ version, source, libraries }: LibTorch): BuildKey {
  const hash = createHash('sha256');
  for (const file of sourceFiles(fromRoot('native'))) {
    hash.update(relative(fromRoot('.'), file)).update(readFileSync(file));
  }
  const library = libraries.at(-1)!;
  const { size, mtimeMs } = statSync(library);
  return {
    version,
    source,
    libtorch: `${library} ${size} ${mtimeMs}`,
    sources: hash.digest('hex'),
  };
}

function readKey(folder: string): BuildKey | null {
  const path = join(folder, RECORD);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as BuildKey) : null;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? sourceFiles(path) : [path];
    });
}

function nodeHeaders(): string {
  const headers = createRequire(import.meta.url)('node-api-headers') as { include_dir: string };
  return headers.include_dir;
}
