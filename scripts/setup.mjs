#!/usr/bin/env node
/**
 * Makes a fresh checkout ready: LibTorch, npm packages, the addon, ffmpeg. `make setup` runs it.
 *
 * Each step looks first whether its result is up to date and then does nothing and says nothing.
 * `BUILD_DIR` moves the addon and its build files (default build/), e.g. to build against a second
 * LibTorch: `LIBTORCH=/path BUILD_DIR=/tmp/other make setup`, then `MFM_ADDON=/tmp/other/mfm.node`.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findLibTorch, howToInstall } from './find-libtorch.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const buildDir = resolve(root, process.env.BUILD_DIR || 'build');

class SetupError extends Error {}

/** @type {ReturnType<typeof findLibTorch>} */
let libTorch = null;

try {
  libTorch = findLibTorch();
  installSystemPackages();
  installNpmPackages();
  buildAddon();
  installFfmpeg();
} catch (error) {
  console.error(`setup: ${error instanceof SetupError ? error.message : asSentence(error)}`);
  process.exitCode = 1;
}

/** LibTorch, and a compiler and cmake if the addon has yet to be built. */
function installSystemPackages() {
  const missing = [];
  // OpenBLAS: without recommended packages LibTorch gets the reference BLAS, some 50 times slower;
  // its OpenMP build shares LibTorch's threads
  if (!libTorch) missing.push('libtorch-dev', 'libopenblas0-openmp');
  if (!isBuilt()) {
    if (!hasCommand('cmake')) missing.push('cmake');
    if (!hasCommand(process.env.CXX || 'c++')) missing.push('g++');
    if (!hasCommand('make') && !hasCommand('ninja')) missing.push('make');
  }
  if (missing.length === 0) return;
  if (!canInstall()) throw new SetupError(whatToInstall(missing));
  aptInstall(missing);
  libTorch = findLibTorch();
  if (!libTorch) throw new SetupError(`LibTorch was not found; ${howToInstall}`);
}

/** The system's is newer than that of the npm package, which will do where it cannot be had. */
function installFfmpeg() {
  // tried once: without a network it would cost minutes each time
  const tried = join(buildDir, 'ffmpeg-tried');
  if (process.env.FFMPEG_PATH || hasCommand('ffmpeg') || existsSync(tried) || !canInstall()) return;
  try {
    writeFileSync(tried, '');
    aptInstall(['ffmpeg']);
  } catch {
    say(
      "the system's ffmpeg could not be installed, so videos are read by the one of npm, an old one",
    );
  }
}

/** What is put before a command that root alone may run. */
function asRoot() {
  return process.getuid?.() === 0 ? [] : ['sudo', '-n'];
}

function canInstall() {
  return (
    existsSync('/etc/debian_version') &&
    hasCommand('apt-get') &&
    (asRoot().length === 0 || spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0)
  );
}

/** @param {string[]} packages @throws SetupError if that fails */
function aptInstall(packages) {
  say(`installing ${packages.join(', ')} with apt-get`);
  run([...asRoot(), 'apt-get', 'update', '-qq']);
  run([
    ...asRoot(),
    ...['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', 'install', '-y', '-qq'],
    ...['--no-install-recommends', ...packages],
  ]);
}

/** @param {string[]} missing */
function whatToInstall(missing) {
  if (missing.includes('libtorch-dev')) return `LibTorch was not found; ${howToInstall}`;
  return (
    `${missing.join(', ')} must be installed to build the addon: ` +
    `\`apt install ${missing.join(' ')}\` (Debian, Ubuntu) or ` +
    '`xcode-select --install` and `brew install cmake` (macOS)'
  );
}

/** npm's own record of what it installed is the stamp. */
function installNpmPackages() {
  const installed = join(root, 'node_modules/.package-lock.json');
  if (existsSync(installed) && modified(installed) >= modified(join(root, 'package-lock.json'))) {
    return;
  }
  say('installing npm packages');
  // no install scripts: every package that we use ships its binaries ready
  run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** Builds when the sources, the LibTorch or its version are not those of the last build. */
function buildAddon() {
  if (isBuilt()) return;
  const key = buildKey();
  const work = join(buildDir, 'native');
  // another LibTorch, or a checkout that was moved: CMake's cache must not remember the old one
  if (readKey()?.libtorch !== key.libtorch || cachedSources(work) !== join(root, 'native')) {
    rmSync(work, { recursive: true, force: true });
  }
  mkdirSync(work, { recursive: true });
  say(`building the addon against LibTorch ${key.version} (${key.source})`);
  const generator =
    hasCommand('ninja') && !existsSync(join(work, 'CMakeCache.txt')) ? ['-G', 'Ninja'] : [];
  run([
    ...['cmake', '-S', join(root, 'native'), '-B', work, ...generator],
    ...[`-DMFM_OUTPUT_DIR=${buildDir}`, '-DCMAKE_BUILD_TYPE=Release'],
  ]);
  // a unit takes up to 1.5 GB to compile
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 2e9)));
  run(['cmake', '--build', work, '--parallel', String(jobs)]);
  writeFileSync(keyPath(), `${JSON.stringify(key, null, 2)}\n`);
}

/** Where the sources were when CMake last looked. @param {string} work @returns {string | undefined} */
function cachedSources(work) {
  const cache = join(work, 'CMakeCache.txt');
  if (!existsSync(cache)) return undefined;
  return /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
}

function isBuilt() {
  if (!existsSync(join(buildDir, 'mfm.node'))) return false;
  return JSON.stringify(readKey()) === JSON.stringify(buildKey());
}

/** What the addon depends on. */
function buildKey() {
  const library = libTorch?.libraries.at(-1);
  const hash = createHash('sha256');
  for (const file of sourceFiles(join(root, 'native')))
    hash.update(relative(root, file)).update(readFileSync(file));
  hash.update(readFileSync(join(root, 'scripts/find-libtorch.mjs')));
  return {
    version: libTorch?.version,
    source: libTorch?.source,
    // size and time: a package upgraded in place keeps its path, often its version too
    libtorch: library && `${library} ${statSync(library).size} ${modified(library)}`,
    sources: hash.digest('hex'),
  };
}

/** @returns {{libtorch?: string} | null} */
function readKey() {
  if (!existsSync(keyPath())) return null;
  return JSON.parse(readFileSync(keyPath(), 'utf8'));
}

function keyPath() {
  return join(buildDir, 'addon.json');
}

/** @param {string} folder @returns {string[]} */
function sourceFiles(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? sourceFiles(path) : [path];
    });
}

/** @param {string} path */
function modified(path) {
  return statSync(path).mtimeMs;
}

/** @param {string} name */
function hasCommand(name) {
  return spawnSync('sh', ['-c', `command -v "${name}"`], { stdio: 'ignore' }).status === 0;
}

/** @param {string[]} command what it prints is shown on stderr: stdout is for results */
function run([program = '', ...args]) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) throw new SetupError(`${program} can't be run (${error.message}); install it first`);
  if (status !== 0) {
    throw new SetupError(`\`${[program, ...args].join(' ')}\` failed; its own message is above`);
  }
}

/** @param {string} text */
function say(text) {
  console.error(`setup: ${text}`);
}

/** @param {unknown} error */
function asSentence(error) {
  return error instanceof Error ? error.message : String(error);
}
