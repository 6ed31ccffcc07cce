#!/usr/bin/env node
/**
 * Finds the LibTorch that the addon is built against and prints what a build needs to know.
 *
 *     node scripts/find-libtorch.mjs          one `name: value` a line
 *     node scripts/find-libtorch.mjs --json   the same as JSON, read by native/CMakeLists.txt
 *
 * Order: the folder in `LIBTORCH`, the `torch` package of `python3`, Homebrew, the system.
 * Exits 1 with one sentence on stderr if there is none.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * @typedef {object} LibTorch
 * @property {string} source        where it was found, in words
 * @property {string} version       e.g. `2.6.0`
 * @property {string[]} includeDirs
 * @property {string} libDir
 * @property {string[]} libraries   full paths, in link order
 * @property {string} openmp        the OpenMP runtime that it carries, or ''
 * @property {number} cxxStandard   C++ standard that its headers ask for, at least 17
 * @property {0 | 1} cxx11Abi       value of _GLIBCXX_USE_CXX11_ABI that it was compiled with
 */

/** What to do where there is no LibTorch; the end of an error sentence. */
export const howToInstall =
  'install it with `apt install libtorch-dev` (Debian, Ubuntu), `brew install pytorch` (macOS) or ' +
  '`pip install torch`, or unpack it anywhere and set LIBTORCH=/path/to/libtorch';

/**
 * The first usable LibTorch, or null.
 *
 * @param {{env?: NodeJS.ProcessEnv, systemPrefixes?: string[], brewPrefixes?: string[]}} [places]
 * @returns {LibTorch | null}
 * @throws if `LIBTORCH` is set and names no LibTorch: a wish is never passed over
 */
export function findLibTorch({
  env = process.env,
  systemPrefixes = ['/usr/local', '/usr'],
  brewPrefixes = ['/opt/homebrew', '/usr/local', '/home/linuxbrew/.linuxbrew'],
} = {}) {
  if (env.LIBTORCH) {
    const found = inspect(env.LIBTORCH, `LIBTORCH=${env.LIBTORCH}`);
    if (found) return found;
    throw new Error(
      `LIBTORCH=${env.LIBTORCH}: must be a folder with include/ATen/ATen.h and libtorch_cpu in lib/; ` +
        'point it at an unpacked LibTorch, or unset it',
    );
  }
  const python = pythonTorch(env);
  const brew = [env.HOMEBREW_PREFIX, ...brewPrefixes].filter((prefix) => prefix !== undefined);
  return (
    (python && inspect(python, `torch package of python3, ${python}`)) ||
    first(
      brew.map((prefix) => join(prefix, 'opt/pytorch')),
      (root) => inspect(root, 'Homebrew'),
    ) ||
    first(systemPrefixes, (root) => inspect(root, `system, ${root}`))
  );
}

/**
 * Folder of python3's `torch` package; found without importing it, which would take seconds.
 *
 * @param {NodeJS.ProcessEnv} env
 */
function pythonTorch(env) {
  const code =
    'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")';
  const { stdout } = spawnSync('python3', ['-c', code], { env, encoding: 'utf8', timeout: 20_000 });
  return (stdout ?? '').trim();
}

/**
 * What a folder holds, or null if headers or libraries are missing (then the next place is tried).
 *
 * @param {string} root    a folder with include/ and lib/
 * @param {string} source
 * @returns {LibTorch | null}
 */
function inspect(root, source) {
  const include = join(root, 'include');
  const aten = join(include, 'ATen/ATen.h');
  const libDir = libraryFolders(root).find((folder) => library(folder, 'torch_cpu'));
  if (!existsSync(aten) || !libDir) return null;
  const libraries = ['torch', 'torch_cpu', 'c10'].flatMap((name) => library(libDir, name) ?? []);
  return {
    source,
    version: versionOf(include),
    includeDirs: [include, join(include, 'torch/csrc/api/include')],
    libDir: realpathSync(libDir),
    libraries,
    openmp: bundledOpenMp(libDir),
    cxxStandard: cxxStandardOf(aten),
    cxx11Abi: cxx11AbiOf(libraries.at(-1) ?? ''),
  };
}

/** Plain, 64-bit and Debian's multi-arch library folders. @param {string} root */
function libraryFolders(root) {
  const lib = join(root, 'lib');
  if (!existsSync(lib)) return [];
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const multiArch = readdirSync(lib).filter((name) => name.startsWith(`${machine}-linux-gnu`));
  return [lib, join(root, 'lib64'), ...multiArch.map((name) => join(lib, name))];
}

/** @param {string} folder @param {string} name */
function library(folder, name) {
  return ['so', 'dylib']
    .map((suffix) => join(folder, `lib${name}.${suffix}`))
    .find((path) => existsSync(path));
}

/** @param {string} include */
function versionOf(include) {
  // it moved to headeronly in 2.9; the old header stays and forwards to it
  const paths = ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h'];
  const text = paths
    .map((path) => join(include, path))
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  const part = (/** @type {string} */ name) =>
    new RegExp(`define TORCH_VERSION_${name} (\\d+)`).exec(text)?.[1] ?? '?';
  return `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`;
}

/** The headers refuse older standards themselves: `__cplusplus < 202002L`. @param {string} aten */
function cxxStandardOf(aten) {
  const required = Number(/__cplusplus < (\d{6})L/.exec(readFileSync(aten, 'utf8'))?.[1] ?? 201703);
  return required >= 202002 ? 20 : 17;
}

/**
 * Wheels before 2.7 were compiled with the old string type, which shows in the mangled name of
 * c10::Error's constructor: `Ss` instead of `NSt7__cxx1112basic_string…`.
 *
 * @param {string} c10
 * @returns {0 | 1}
 */
function cxx11AbiOf(c10) {
  return readFileSync(c10, 'latin1').includes('_ZN3c105ErrorC2ENS_14SourceLocationESs') ? 0 : 1;
}

/** A wheel brings its own libgomp; a second one beside it would mean two thread pools. @param {string} libDir */
function bundledOpenMp(libDir) {
  if (!existsSync(join(libDir, '../include/ATen'))) return ''; // a system folder, not LibTorch's own
  const name = readdirSync(libDir).find((file) =>
    /^lib(gomp|omp|iomp5)\b.*\.(so|dylib)/.test(file),
  );
  return name ? join(libDir, name) : '';
}

/**
 * @template T, R
 * @param {T[]} items
 * @param {(item: T) => R | null} test
 * @returns {R | null}
 */
function first(items, test) {
  for (const item of items) {
    const result = test(item);
    if (result) return result;
  }
  return null;
}

if (import.meta.url === pathToFileURL(realpathSync(process.argv[1] ?? '.')).href) {
  try {
    const found = findLibTorch();
    if (!found) throw new Error(`LibTorch was not found; ${howToInstall}`);
    if (process.argv.includes('--json')) console.log(JSON.stringify(found));
    else for (const [name, value] of Object.entries(found)) console.log(`${name}: ${value}`);
  } catch (error) {
    console.error(`find-libtorch: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
