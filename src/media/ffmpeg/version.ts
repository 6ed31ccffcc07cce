/**
 * Determines how old an ffmpeg program is from its version of libavformat, since distributions' builds
 * and builds between releases have arbitrary names.
 */
import { spawnSync } from 'node:child_process';

export interface FfmpegVersion {
  /** the version it reports: `5.1.9-0+deb12u1`, `N-47683-g0e8eb07980-static` */
  name: string;
  /** major and minor version of libavformat */
  libavformat: [number, number];
}

/** libavformat of release 5.0. */
const CURRENT = 59;
/** libavformat's major version minus the release: 59 - 5, and both grow by one per release. */
const MAJOR_OFFSET = 54;

const versions = new Map<string, FfmpegVersion | null>();

/** Queried once per process, since a start takes 10 to 80 ms. Null if the program does not report it. */
export function ffmpegVersion(program: string): FfmpegVersion | null {
  let version = versions.get(program);
  if (version === undefined) {
    const { stdout } = spawnSync(program, ['-version'], {
      encoding: 'utf8',
      timeout: 10_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    version = parseVersion(stdout ?? '');
    versions.set(program, version);
  }
  return version;
}

export function parseVersion(text: string): FfmpegVersion | null {
  const name = /^ffmpeg version (\S+)/m.exec(text)?.[1];
  const numbers = /^libavformat\s+(\d+)\.\s*(\d+)\./m.exec(text);
  return name === undefined || numbers === null
    ? null
    : { name, libavformat: [Number(numbers[1]), Number(numbers[2])] };
}

/** Older than release 5; a program that does not report its version counts as old. */
export const isOld = (version: FfmpegVersion | null): boolean =>
  (version?.libavformat[0] ?? 0) < CURRENT;

/** Positive if `a` is newer, negative if `b` is. */
export function compareVersions(a: FfmpegVersion | null, b: FfmpegVersion | null): number {
  const [majorA, minorA] = a?.libavformat ?? [0, 0];
  const [majorB, minorB] = b?.libavformat ?? [0, 0];
  return majorA - majorB || minorA - minorB;
}

/** `5.1.9-0+deb12u1`; for a build between releases also the nearest release. */
export function versionInWords(version: FfmpegVersion | null): string {
  if (version === null) return 'of unknown version';
  const { name, libavformat } = version;
  return /^n?\d+\.\d/.test(name) ? name : `${name}, about release ${libavformat[0] - MAJOR_OFFSET}`;
}
