/**
 * Where the native addon is. `mfm setup` builds it into the package or, where that cannot be written
 * to, into the user's cache; a package of its own for each platform, `mfm-linux-x64`, brings it ready.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { JobError } from '../errors.js';
import { fromRoot, isCheckout, packageRoot, packageVersion } from './package-root.js';

/** The file that a build and a platform's package have. */
export const ADDON = 'mfm.node';

/** Beside it: a `BuildRecord`. */
export const RECORD = 'addon.json';

/** The platforms that packages are made for: `OS-CPU` as Node.js names them. */
export const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-arm64'] as const;

/** This machine's, whether there is a package for it or not. */
export const platform = `${process.platform}-${process.arch}`;

/** The command that sets this installation up, to be named in messages. */
export const SETUP = isCheckout ? 'make setup' : 'npx mfm setup';

const require = createRequire(import.meta.url);

/**
 * The folder that setup builds into: `BUILD_DIR`, the package's build/, or one of this version in the
 * user's cache (`MFM_HOME`, else mfm/ in `XDG_CACHE_HOME` or ~/.cache).
 */
export function buildFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.BUILD_DIR) return resolve(packageRoot, env.BUILD_DIR);
  const own = fromRoot('build');
  if (isCheckout || isWritable(existsSync(own) ? own : packageRoot)) return own;
  return cacheFolder(env);
}

/**
 * The addon to load: the file that `MFM_ADDON` names, what setup built, or what this platform's
 * package brings.
 *
 * @throws JobError if there is none; it says what to do
 */
export function findAddon(env: NodeJS.ProcessEnv = process.env): string {
  if (env.MFM_ADDON) return existing(resolve(env.MFM_ADDON));
  const own = join(fromRoot('build'), ADDON);
  // a checkout's sources may be newer than what is in the cache under the same version
  if (isCheckout) return existing(own);
  const built = [own, join(cacheFolder(env), ADDON)].find((path) => existsSync(path));
  return built ?? packagedAddon() ?? missing();
}

/** What is on record of a build, beside the addon. */
export interface BuildRecord {
  /** of LibTorch, e.g. `1.13.0` */
  version: string;
  /** where that LibTorch was found, in words */
  source: string;
}

/** What an addon was built for; null where that is not on record. */
export function buildRecord(addon: string): BuildRecord | null {
  return readJson(join(dirname(addon), RECORD)) as BuildRecord | null;
}

/** Name of a platform's package. */
export const platformPackage = (name: string): string => `mfm-${name}`;

function existing(path: string): string {
  if (existsSync(path)) return path;
  throw new JobError(`${path}: the native addon has not been built; run \`${SETUP}\``);
}

/** Of this platform's package; null where it is not installed. @throws JobError if it is of another version */
function packagedAddon(): string | null {
  const path = manifestOf(platform);
  if (path === null) return null;
  const { version } = readJson(path)!;
  if (version !== packageVersion) {
    const name = platformPackage(platform);
    throw new JobError(
      `${name} ${version}: goes with another mfm than ${packageVersion}; run \`npm install ${name}@${packageVersion}\``,
    );
  }
  return join(dirname(path), ADDON);
}

function missing(): never {
  const name = platformPackage(platform);
  const others = PLATFORMS.filter((other) => other !== platform && manifestOf(other) !== null);
  if (others.length > 0) {
    const found = others.map(platformPackage).join(', ');
    throw new JobError(
      `mfm: node_modules is from another machine: it holds the native addon of ${found}, and this is ${platform}; install the packages anew here, or run \`${SETUP}\``,
    );
  }
  const ready = (PLATFORMS as readonly string[]).includes(platform);
  throw new JobError(
    `mfm: the native addon is missing; run \`${SETUP}\`, which builds it${ready ? `, or install the package ${name}` : ''}`,
  );
}

/** The package.json of a platform's package as Node.js finds it from here; null where there is none. */
function manifestOf(name: string): string | null {
  try {
    return require.resolve(`${platformPackage(name)}/package.json`);
  } catch {
    return null;
  }
}

function cacheFolder(env: NodeJS.ProcessEnv): string {
  const home = env.MFM_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'mfm');
  return resolve(home, packageVersion);
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readJson(path: string): { version?: unknown } | null {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as object) : null;
}
