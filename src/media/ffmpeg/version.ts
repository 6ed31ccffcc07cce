/**
 * How old an ffmpeg program is: by the version of its libavformat, since builds between releases
 * and of distributions name themselves as they like.
 */
import { spawnSync } from 'node:child_process';

export interface FfmpegVersion {
  /** its own word: `5.1.9-0+deb12u1`, `N-47683-g0e8eb07980-static` */
  name: string;
  /** major and minor version of libavformat */
  libavformat: [number, number];
}

/** Release 5.0. */
const CURRENT = 59;
/** Release 5 has libavformat 59, and each later one is a number higher. */
const MAJOR_OFFSET = 54;

const versions = new Map<string, FfmpegVersion | null>();

/** Asked once in each process: a start takes 10 to 80 ms. Null if the program does not say. */
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

/** Below release 5; a program that does not say counts as old. */
export const isOld = (version: FfmpegVersion | null): boolean =>
  (version?.libavformat[0] ?? 0) < CURRENT;

/** Above 0 if `a` is newer. */
export function compareVersions(a: FfmpegVersion | null, b: FfmpegVersion | null): number {
  const [majorA, minorA] = a?.libavformat ?? [0, 0];
  const [majorB, minorB] = b?.libavformat ?? [0, 0];
  return majorA - majorB || minorA - minorB;
}

/** `5.1.9-0+deb12u1`, and for a build between releases also the release that it is near to. */
export function versionInWords(version: FfmpegVersion | null): string {
  if (version === null) return 'of unknown version';
  const { name, libavformat } = version;
  return /^n?\d+\.\d/.test(name) ? name : `${name}, about release ${libavformat[0] - MAJOR_OFFSET}`;
}
