/**
 * Finds ffmpeg and runs it: FFMPEG_PATH, then PATH, then the optional npm package
 * `@ffmpeg-installer/ffmpeg`. Only options that ffmpeg 4 to 8 share are used; ffprobe is not needed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { InputError, JobError } from '../errors.js';

const INSTALL =
  'install it (Debian, Ubuntu: apt install ffmpeg; macOS: brew install ffmpeg) or set FFMPEG_PATH to the program';

/**
 * Path of the ffmpeg program.
 *
 * @throws InputError if FFMPEG_PATH names no program; JobError if there is no ffmpeg at all
 */
export function findFfmpeg({ env = process.env, packaged = packagedFfmpeg } = {}): string {
  const named = env.FFMPEG_PATH;
  if (named) {
    if (!isProgram(named)) {
      throw new InputError(
        `FFMPEG_PATH: must name the ffmpeg program, got "${named}"; correct or unset it`,
      );
    }
    return named;
  }
  const name = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg';
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    if (folder !== '' && isProgram(join(folder, name))) {
      return join(folder, name);
    }
  }
  const path = packaged();
  if (path === null) {
    throw new JobError(`ffmpeg: not found, and videos need it; ${INSTALL}`);
  }
  return path;
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

export interface FfmpegRun {
  child: ChildProcess;
  /** exit code (null if it was killed) and all of stderr, its middle cut out if it is long */
  done: Promise<{ code: number | null; stderr: string }>;
}

/**
 * Starts ffmpeg. It is killed when `signal` aborts; the caller then checks `signal`.
 *
 * @throws JobError if there is no ffmpeg; `done` rejects with JobError if it cannot be started
 */
export function startFfmpeg(
  args: string[],
  { input = false, signal }: { input?: boolean; signal?: AbortSignal } = {},
): FfmpegRun {
  signal?.throwIfAborted();
  const program = findFfmpeg();
  const child = spawn(program, ['-hide_banner', ...args], {
    stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  const kill = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });

  let head = '';
  let tail = '';
  child.stderr!.setEncoding('utf8');
  child.stderr!.on('data', (text: string) => {
    if (head.length < 16384) {
      head += text;
    } else {
      tail = (tail + text).slice(-16384);
    }
  });
  const done = new Promise<{ code: number | null; stderr: string }>((resolve, reject) => {
    child.on('error', (cause) => {
      reject(
        new JobError(`${program}: cannot be started (${cause.message}); ${INSTALL}`, { cause }),
      );
    });
    child.on('close', (code) => resolve({ code, stderr: head + tail }));
  }).finally(() => signal?.removeEventListener('abort', kill));
  done.catch(() => {}); // whoever awaits it sees the error; nobody may be waiting yet
  return { child, done };
}

/** Runs ffmpeg on raw pictures. @throws Error with its words if it fails */
export async function encodeRaw(
  pictures: AsyncIterable<Uint8Array>,
  args: string[],
  signal?: AbortSignal,
): Promise<void> {
  const { child, done } = startFfmpeg(args, { input: true, signal });
  child.stdout!.resume();
  let failure: unknown;
  // if ffmpeg leaves early, its exit code and words say why, not the broken pipe
  await pipeline(Readable.from(pictures), child.stdin!).catch((error) => {
    failure = error;
  });
  const { code, stderr } = await done;
  signal?.throwIfAborted();
  if (failure !== undefined && code === 0) throw failure; // the pictures could not be had
  if (code !== 0 || /no space left/i.test(stderr)) {
    throw new Error(`ffmpeg left with code ${code}: ${stderr.trim().replaceAll('\n', '; ')}`);
  }
}

const encodersOf = new Map<string, Promise<Set<string>>>();

/** Names of the encoders that the ffmpeg found has, asked once for each program. */
export function ffmpegEncoders(): Promise<Set<string>> {
  const program = findFfmpeg();
  let encoders = encodersOf.get(program);
  if (encoders === undefined) {
    encoders = listEncoders();
    encodersOf.set(program, encoders);
  }
  return encoders;
}

async function listEncoders(): Promise<Set<string>> {
  const { child, done } = startFfmpeg(['-v', 'error', '-encoders']);
  let text = '';
  child.stdout!.setEncoding('utf8');
  child.stdout!.on('data', (part: string) => {
    text += part;
  });
  await done;
  // " V....D libx264   libx264 H.264 / AVC …"
  return new Set([...text.matchAll(/^ [VAS][A-Z.]{5} (\S+)/gm)].map((match) => match[1]!));
}

/** First line of ffmpeg's own words, without the addresses that it puts in front. */
export function firstComplaint(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.replace(/\[[^\]]*@ 0x[0-9a-f]+\]\s*/g, ''));
  return lines.map((line) => line.trim()).find((line) => line !== '') ?? '';
}
