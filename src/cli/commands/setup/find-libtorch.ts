/**
 * Finds the LibTorch that the addon is built against, and what a build needs to know about it.
 * Order: the folder in `LIBTORCH`, the `torch` package of `python3`, Homebrew, the system.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, JobError } from '../../../errors.js';

/** What native/CMakeLists.txt reads, as JSON. */
export interface LibTorch {
  /** where it was found, in words */
  source: string;
  /** e.g. `2.6.0` */
  version: string;
  includeDirs: string[];
  libDir: string;
  /** full paths, in link order */
  libraries: string[];
  /** the OpenMP runtime that it carries, or '' */
  openmp: string;
  /** C++ standard that its headers ask for, at least 17 */
  cxxStandard: number;
  /** value of _GLIBCXX_USE_CXX11_ABI that it was compiled with */
  cxx11Abi: 0 | 1;
}

interface Places {
  env?: NodeJS.ProcessEnv;
  systemPrefixes?: readonly string[];
  brewPrefixes?: readonly string[];
}

/** The oldest supported version; older ones lack operators that the addon calls. */
const OLDEST = [1, 13] as const;

/** How to install LibTorch; the end of an error message. */
export const howToInstall =
  'install it with `apt install libtorch-dev` (Debian, Ubuntu), `brew install pytorch` (macOS) or ' +
  '`pip install torch`, or unpack it anywhere and set LIBTORCH=/path/to/libtorch';

/** The error if there is no LibTorch. */
export const noLibTorch = (): JobError => new JobError(`LibTorch was not found; ${howToInstall}`);

/**
 * The first LibTorch found, or null.
 *
 * @throws InputError if `LIBTORCH` is set but is not a LibTorch, as an explicit choice is never
 *         ignored; JobError if the first one found is too old
 */
export function findLibTorch(places?: Places): LibTorch | null {
  const found = firstLibTorch(places);
  if (found) expectNewEnough(found);
  return found;
}

function expectNewEnough({ version, source }: LibTorch): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw new JobError(
    `LibTorch ${version} (${source}): must be ${OLDEST.join('.')} or newer; install a newer one there, or set LIBTORCH to the folder of another`,
  );
}

function firstLibTorch({
  env = process.env,
  systemPrefixes = ['/usr/local', '/usr'],
  brewPrefixes = ['/opt/homebrew', '/usr/local', '/home/linuxbrew/.linuxbrew'],
}: Places = {}): LibTorch | null {
  if (env.LIBTORCH) {
    const found = inspect(env.LIBTORCH, `LIBTORCH=${env.LIBTORCH}`);
    if (found) return found;
    throw new InputError(
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

/** Folder of python3's `torch` package; found without importing it, which would take seconds. */
function pythonTorch(env: NodeJS.ProcessEnv): string {
  const code =
    'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")';
  const { stdout } = spawnSync('python3', ['-c', code], { env, encoding: 'utf8', timeout: 20_000 });
  return (stdout ?? '').trim();
}

/**
 * The LibTorch in a folder, or null if headers or libraries are missing (then the next place is tried).
 *
 * @param root   a folder with include/ and lib/
 */
function inspect(root: string, source: string): LibTorch | null {
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

/** Plain, 64-bit and Debian's multi-arch library folders. */
function libraryFolders(root: string): string[] {
  const lib = join(root, 'lib');
  if (!existsSync(lib)) return [];
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const multiArch = readdirSync(lib).filter((name) => name.startsWith(`${machine}-linux-gnu`));
  return [lib, join(root, 'lib64'), ...multiArch.map((name) => join(lib, name))];
}

function library(folder: string, name: string): string | undefined {
  return ['so', 'dylib']
    .map((suffix) => join(folder, `lib${name}.${suffix}`))
    .find((path) => existsSync(path));
}

function versionOf(include: string): string {
  // it moved to headeronly in 2.9; the old header stays and forwards to it
  const paths = ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h'];
  const text = paths
    .map((path) => join(include, path))
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  const part = (name: string) =>
    new RegExp(`define TORCH_VERSION_${name} (\\d+)`).exec(text)?.[1] ?? '?';
  return `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`;
}

/** The headers refuse older standards themselves: `__cplusplus < 202002L`. */
function cxxStandardOf(aten: string): number {
  const required = Number(/__cplusplus < (\d{6})L/.exec(readFileSync(aten, 'utf8'))?.[1] ?? 201703);
  return required >= 202002 ? 20 : 17;
}

/**
 * Wheels before 2.7 were compiled with the old string type, which shows in the mangled name of
 * c10::Error's constructor: `Ss` instead of `NSt7__cxx1112basic_string…`.
 */
function cxx11AbiOf(c10: string): 0 | 1 {
  return readFileSync(c10, 'latin1').includes('_ZN3c105ErrorC2ENS_14SourceLocationESs') ? 0 : 1;
}

/** A wheel brings its own libgomp; a second one beside it would mean two thread pools. */
function bundledOpenMp(libDir: string): string {
  if (!existsSync(join(libDir, '../include/ATen'))) return ''; // a system folder, not LibTorch's own
  const name = readdirSync(libDir).find((file) =>
    /^lib(gomp|omp|iomp5)\b.*\.(so|dylib)/.test(file),
  );
  return name ? join(libDir, name) : '';
}

function first<T, R>(items: readonly T[], test: (item: T) => R | null): R | null {
  for (const item of items) {
    const result = test(item);
    if (result) return result;
  }
  return null;
}
