/** What the addon needs of the system, by apt where that may be used. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { JobError } from '../../../errors.js';
import { findLibTorch, type LibTorch, noLibTorch } from './find-libtorch.js';
import { aptInstall, canInstall, hasCommand, say } from './tools.js';

interface BuildTool {
  /** in a sentence */
  name: string;
  /** of Debian */
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

/** @throws JobError on a system that nothing is made for */
export function expectUnix(): void {
  if (process.platform !== 'win32') return;
  throw new JobError('mfm: runs on Linux and macOS, not on Windows itself; install it in WSL');
}

/** @throws JobError where it cannot be installed */
export function installLibTorch(): LibTorch {
  if (!canInstall()) throw noLibTorch();
  // OpenBLAS: without recommended packages LibTorch gets the reference BLAS, some 50 times slower;
  // its OpenMP build shares LibTorch's threads
  aptInstall(['libtorch-dev', 'libopenblas0-openmp']);
  const libTorch = findLibTorch();
  if (!libTorch) throw noLibTorch();
  return libTorch;
}

/** A compiler, CMake and what it drives. @throws JobError naming what is missing and cannot be installed */
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

/** The system's is newer than that of the npm package, which will do where it cannot be had. */
export function installFfmpeg(folder: string): void {
  // tried once: without a network it would cost minutes each time
  const tried = join(folder, 'ffmpeg-tried');
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

function inWords(tools: readonly BuildTool[]): string {
  const names = tools.map(({ name }) => name);
  const last = names.pop()!;
  return names.length === 0 ? last : `${names.join(', ')} and ${last}`;
}
