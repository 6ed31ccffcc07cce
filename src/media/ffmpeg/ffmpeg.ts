/**
 * Finds ffmpeg (FFMPEG_PATH, PATH, the optional npm package `@ffmpeg-installer/ffmpeg`) and runs it.
 * Only options common to ffmpeg 4 to 9 are used; ffprobe is not needed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { InputError, JobError } from '../../errors.js';
import { ignoredSignals } from '../../processes/stop-signals.js';
import { compareVersions, ffmpegVersion, isOld, versionInWords } from './version.js';

const INSTALL =
  'install it (Debian, Ubuntu: apt install ffmpeg; macOS: brew install ffmpeg) or set FFMPEG_PATH to the program';

/**
 * Path of the ffmpeg program: the one named by FFMPEG_PATH, else the newer of the one on PATH and
 * the one of the npm package.
 *
 * @throws InputError if FFMPEG_PATH does not name a program; JobError if there is no ffmpeg at all
 */
export function findFfmpeg({
  env = process.env,
  packaged = packagedFfmpeg,
  versionOf = ffmpegVersion,
} = {}): string {
  const named = env.FFMPEG_PATH;
  if (named) {
    if (!isProgram(named)) {
      throw new InputError(
        `FFMPEG_PATH: must name the ffmpeg program, got "${named}"; correct or unset it`,
      );
    }
    return named;
  }
  const system = onPath(env.PATH ?? '');
  const own = packaged();
  if (system !== null && own !== null) {
    // the packaged build is old and slow to start, so it is queried only if it may be the newer one
    const version = versionOf(system);
    return !isOld(version) || compareVersions(version, versionOf(own)) >= 0 ? system : own;
  }
  const path = system ?? own;
  if (path === null) {
    throw new JobError(`ffmpeg: not found, and videos need it; ${INSTALL}`);
  }
  return path;
}

/** Advice if the ffmpeg found is older than release 5; null if it is not, or there is none. */
export function oldFfmpegAdvice(): string | null {
  let program: string;
  try {
    program = findFfmpeg();
  } catch {
    return null; // reported when a video is opened
  }
  const version = ffmpegVersion(program);
  return isOld(version)
    ? `ffmpeg ${versionInWords(version)} (${program}): is old: it cannot read newer kinds of video such as AV1, and lacks years of fixes; for version 5 or newer, ${INSTALL}`
    : null;
}

function onPath(path: string): string | null {
  const name = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg';
  const candidates = path.split(delimiter).map((folder) => folder && join(folder, name));
  return candidates.find((candidate) => candidate !== '' && isProgram(candidate)) ?? null;
}

function packagedFfmpeg(): string | null {
  try {
    const { path } = createRequire(import.meta.url)('@ffmpeg-installer/ffmpeg') as { path: string };
    return isProgram(path) ? path : null;
  } catch {
    return null; // optional: not installed, or no build for this platform
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export interface FfmpegEnd {
  /** exit code; null if it was killed */
  code: number | null;
  /** its standard error without repeated lines; if that is long, the middle is cut out */
  stderr: string;
  /** it was killed because it produced nothing for too long */
  stalled: boolean;
}

export interface FfmpegRun {
  child: ChildProcess;
  done: Promise<FfmpegEnd>;
}

export interface FfmpegOptions {
  /** the caller writes to its standard input */
  input?: boolean;
  /** it is killed when this aborts; the caller then checks the signal */
  signal?: AbortSignal;
  /** it is killed when it writes nothing to stdout or stderr for this long while its reader waits */
  stallMs?: number;
  /** how many characters from the beginning of its stderr are kept; 16384 by default */
  headLength?: number;
}

/** Limit for a single memory allocation in ffmpeg: no picture of a clip needs this much. */
const MAX_ALLOCATION = 2 ** 30;
/** A damaged file may keep a decoder busy forever, but long seeks in large files do take minutes. */
export const STALL_MS = 5 * 60_000;

/** How many characters of ffmpeg's stderr are kept, from the beginning and again from the end. */
const KEPT_LENGTH = 16384;

/** The ffmpeg processes that are running; none outlives this process. */
const running = new Set<ChildProcess>();

/**
 * Starts ffmpeg with a memory limit. It ends when this process ends, for whatever reason.
 *
 * @throws JobError if there is no ffmpeg; `done` rejects with JobError if it cannot be started
 */
export function startFfmpeg(
  args: string[],
  {
    input = false,
    signal,
    stallMs = Number.POSITIVE_INFINITY,
    headLength = KEPT_LENGTH,
  }: FfmpegOptions = {},
): FfmpegRun {
  signal?.throwIfAborted();
  const program = findFfmpeg();
  const [command, ...before] = [...boundToParent(), program];
  const bounds = ['-hide_banner', '-max_alloc', `${MAX_ALLOCATION}`];
  const child = spawn(command!, [...before, ...bounds, ...args], {
    stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    windowsHide: true,
    // a signal that this process ignores must not end ffmpeg either: in a process group of its own it
    // does not get the terminal's signals
    detached: ignoredSignals().length > 0,
  });
  const kill = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  if (running.size === 0) process.once('exit', killAll);
  running.add(child);
  const words = collectLines(child.stderr!, headLength);
  const watch = watchStall(child, stallMs, kill);
  const cannotStart = (reason: string, cause?: unknown) =>
    new JobError(`${program}: cannot be started (${reason}); ${INSTALL}`, { cause });

  const done = new Promise<FfmpegEnd>((resolve, reject) => {
    child.on('error', (cause) => reject(cannotStart(cause.message, cause)));
    child.on('close', (code) => {
      const stderr = words();
      const refused = before.length > 0 && /^setpriv: (.*)/.exec(stderr)?.[1];
      if (refused) reject(cannotStart(refused));
      else resolve({ code, stderr, stalled: watch.stalled() });
    });
  }).finally(() => {
    watch.end();
    signal?.removeEventListener('abort', kill);
    running.delete(child);
    if (running.size === 0) process.removeListener('exit', killAll);
  });
  done.catch(() => {}); // whoever awaits it sees the error, but nobody may be waiting yet
  return { child, done };
}

function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

let parentBound: string[] | null = null;

/**
 * Command prefix that makes ffmpeg die with this process, even if that is killed: by itself ffmpeg would
 * notice only at its next write. Empty where there is no such command (outside Linux).
 */
function boundToParent(): string[] {
  if (parentBound === null) {
    const command = ['setpriv', '--pdeathsig', 'KILL'];
    const works =
      process.platform === 'linux' &&
      spawnSync(command[0]!, [...command.slice(1), 'true'], { stdio: 'ignore' }).status === 0;
    parentBound = works ? command : [];
  }
  return parentBound;
}

/**
 * Returns a function that gives the lines so far, without
 * repetitions: some lines come with every frame.
 */
function collectLines(stream: Readable, headLength: number): () => string {
  const seen = new Set<string>();
  let head = '';
  let tail = '';
  createInterface({ input: stream }).on('line', (line) => {
    if (seen.has(line)) return;
    if (head.length < headLength) {
      seen.add(line);
      head += `${line}\n`;
    } else {
      tail = `${tail}${line}\n`.slice(-KEPT_LENGTH);
    }
  });
  return () => head + tail;
}

/** Kills `child` when its reader has waited for `stallMs` without any output on stdout or stderr. */
function watchStall({ stdout, stderr }: ChildProcess, stallMs: number, kill: () => void) {
  let stalled = false;
  if (stallMs === Number.POSITIVE_INFINITY) return { stalled: () => false, end: () => {} };
  const [out, err] = [stdout as Socket, stderr as Socket];
  let [given, quietMs] = [0, 0];
  const stepMs = Math.min(1000, stallMs);
  const timer = setInterval(() => {
    const now = out.bytesRead + err.bytesRead;
    // unread output means that it waits for its reader, not the other way round
    quietMs = now === given && out.readableLength === 0 ? quietMs + stepMs : 0;
    given = now;
    if (quietMs < stallMs) return;
    stalled = true;
    kill();
  }, stepMs).unref();
  return { stalled: () => stalled, end: () => clearInterval(timer) };
}

/** Runs ffmpeg on raw pictures. @throws Error with ffmpeg's stderr if it fails */
export async function encodeRaw(
  pictures: AsyncIterable<Uint8Array>,
  args: string[],
  signal?: AbortSignal,
): Promise<void> {
  const { child, done } = startFfmpeg(args, { input: true, signal });
  child.stdout!.resume();
  let failure: unknown;
  // if ffmpeg exits early, its exit code and stderr say why, not the broken pipe
  await pipeline(Readable.from(pictures), child.stdin!).catch((error) => {
    failure = error;
  });
  const { code, stderr } = await done;
  signal?.throwIfAborted();
  if (failure !== undefined && code === 0) throw failure; // producing the pictures failed
  if (code !== 0 || /no space left/i.test(stderr)) {
    throw new Error(`ffmpeg exited with code ${code}: ${stderr.trim().replaceAll('\n', '; ')}`);
  }
}

/** The error lines of a log written with `-v level+info`: "[mov @ 0x55d0] [error] moov atom …". */
export function errorsOf(log: string): string {
  const lines = log.split('\n').filter((line) => /\[(error|fatal|panic)\] /.test(line));
  return lines.map((line) => line.replace(/\[(error|fatal|panic)\] /, '')).join('\n');
}

/** First line of ffmpeg's stderr, without the "[name @ 0x…]" in front. */
export function firstComplaint(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.replace(/\[[^\]]*@ 0x[0-9a-f]+\]\s*/g, ''));
  return lines.map((line) => line.trim()).find((line) => line !== '') ?? '';
}
