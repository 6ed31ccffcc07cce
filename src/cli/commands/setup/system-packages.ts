/** Installs the system packages that the addon needs, with apt if that is allowed. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { JobError } from '../../../errors.js';
import { findLibTorch, type LibTorch, noLibTorch } from './find-libtorch.js';
import { aptInstall, canInstall, hasCommand, say } from './tools.js';

interface BuildTool {
  /** name used in messages */
  name: string;
  /** Debian package */
  package: string;
  isThere: () => boolean;
}

const BUILD_TOOLS: readonly BuildTool[] = [
  { name: 'CMake', package: 'cmake', isThere: () => hasCommand('cmake') },
  {
    name: 'a C++ compiler',
    package: 'g++',
    isThere: () => hasCommand(process.env.CXX || 'c++'),
  },
  {
    name: 'Ninja or make',
    package: 'make',
    isThere: () => hasCommand('ninja') || hasCommand('make'),
  },
];

/** @throws JobError on an unsupported system */
export function expectUnix(): void {
  if (process.platform !== 'win32') return;
  throw new JobError('mfm: runs on Linux and macOS, not on Windows itself; install it in WSL');
}

/** Installs LibTorch. @throws JobError if that is not possible */
export function installLibTorch(): LibTorch {
  if (!canInstall()) throw noLibTorch();
  // OpenBLAS: without recommended packages LibTorch gets the reference BLAS, some 50 times slower;
  // its OpenMP build shares LibTorch's threads
  aptInstall(['libtorch-dev', 'libopenblas0-openmp']);
  const libTorch = findLibTorch();
  if (!libTorch) throw noLibTorch();
  return libTorch;
}

/** Installs missing build tools. @throws JobError naming those that cannot be installed */
export function installBuildTools(): void {
  const missing = BUILD_TOOLS.filter(({ isThere }) => !isThere());
  if (missing.length === 0) return;
  const packages = missing.map((tool) => tool.package);
  if (canInstall()) {
    aptInstall(packages);
    return;
  }
  throw new JobError(
    `mfm setup: to build the addon, ${inWords(missing)} must be installed: ` +
      `\`apt install ${packages.join(' ')}\` (Debian, Ubuntu) or ` +
      '`xcode-select --install` and `brew install cmake` (macOS)',
  );
}

/** Installs the system's ffmpeg; if that fails, the older one of the npm package is used. */
export function installFfmpeg(folder: string): void {
  // tried only once, as without a network it would take minutes each time
  const tried = join(folder, 'ffmpeg-tried');
  if (process.env.FFMPEG_PATH || hasCommand('ffmpeg') || existsSync(tried) || !canInstall()) return;
  try {
    writeFileSync(tried, '');
    aptInstall(['ffmpeg']);
  } catch {
    say("the system's ffmpeg could not be installed, so videos are read by an older one from npm");
  }
}

function inWords(tools: readonly BuildTool[]): string {
  const names = tools.map(({ name }) => name);
  const last = names.pop()!;
  return names.length === 0 ? last : `${names.join(', ')} and ${last}`;
}
