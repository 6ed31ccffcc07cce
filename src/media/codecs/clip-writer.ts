/**
 * Writes clips in chunks, so that a long one need not fit in memory.
 */
import { writeFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import sharp from 'sharp';
import { InputError, JobError, ShapeError } from '../../errors.js';
import { openAtomically, writeAtomically } from '../../files/atomic.js';
import { writeFailure } from '../../files/write-failure.js';
import { type EncodeOptions, encodeArgs, hasFullChroma } from '../ffmpeg/encode-args.js';
import { type FfmpegRun, STALL_MS, startFfmpeg } from '../ffmpeg/ffmpeg.js';
import { expectFrames, type Frames, sliceFrames } from '../frames.js';
import { outputKind, VIDEO_FORMATS } from './formats.js';
import { type AudioSource, soundArgs } from './sound.js';

export interface ClipOptions extends EncodeOptions {
  /**
   * sound for the result, cut or padded with silence to the length of the pictures. Ignored for GIF, and
   * if the file has no sound from `startSeconds` on
   */
  audio?: AudioSource;
  /** kills ffmpeg and removes the unfinished file */
  signal?: AbortSignal;
}

export interface ClipWriter {
  /** false for H.264 in 4:4:4, which QuickTime, phones and some browsers do not play */
  readonly isWidelyPlayed: boolean;
  /** does the file get sound? not if the source of it has none */
  readonly hasSound: boolean;
  /** Appends frames of the clip's size; resolves once their memory may be reused. One call at a time. */
  write(frames: Frames): Promise<void>;
  /** Completes the file, which appears at its path only now. */
  finish(): Promise<void>;
  /** Discards the unfinished clip; an older file at the path stays. Does nothing after `finish`. */
  abort(): Promise<void>;
}

/**
 * Starts a clip: mp4 (H.264 where ffmpeg has libx264, else MPEG-4 part 2), webm (VP9, else VP8) or
 * GIF (without ffmpeg; its delays are whole hundredths of a second, and it is held in memory).
 *
 * Colours are BT.709, in limited range unless `fullRange` is set, and the file is tagged accordingly. A
 * clip of odd width or height keeps its size: H.264 is then 4:4:4, which not every player supports; even
 * sizes are 4:2:0. After `write` or `finish` has failed, the unfinished file is gone and the writer
 * cannot be used any more.
 *
 * @throws InputError for another file extension; JobError, also from `write` and `finish`, if the disk is
 *   full, or ffmpeg is missing, fails, or has no encoder for the format
 */
export async function createClipWriter(path: string, options: ClipOptions): Promise<ClipWriter> {
  const { fps, audio, signal } = options;
  if (outputKind(path) !== 'video') {
    throw new InputError(`${path}: holds one picture, not a clip; use ${VIDEO_FORMATS.join(', ')}`);
  }
  if (!(fps > 0 && fps <= 1000)) {
    throw new InputError(`${path}: fps must be above 0 and at most 1000, got ${fps}`);
  }
  if (extname(path).toLowerCase() === '.gif') return gifWriter(path, options);

  const args = await encodeArgs(path, options);
  const sound = audio ? await soundArgs(path, audio, signal) : null;
  const file = await openAtomically(path);
  const run = startFfmpeg([...args, nameFor(file.temporary)], { input: true, signal });
  const input = run.child.stdin!;
  input.on('error', () => {}); // if ffmpeg exits early, its exit code and stderr say why
  let failure: unknown = null;
  let finished = false;
  let numFrames = 0;

  const removed = async () => {
    signal?.removeEventListener('abort', abort);
    run.child.kill('SIGKILL');
    await run.done.catch(() => {});
    await file.discard();
  };
  const abort = async () => {
    if (finished) return;
    failure ??= givenUp(path);
    await removed();
  };
  /** Runs a step; if it fails, ffmpeg is killed and the unfinished file removed. */
  const guarded = async (step: () => Promise<void>) => {
    signal?.throwIfAborted();
    if (failure !== null) throw failure;
    try {
      await step();
    } catch (cause) {
      failure = writeFailure(path, cause);
      await removed();
      throw failure;
    }
  };
  signal?.addEventListener('abort', abort, { once: true });

  return {
    isWidelyPlayed: !hasFullChroma(args),
    hasSound: sound !== null,
    write: (frames) =>
      guarded(async () => {
        for (const picture of pictures(frames, options)) {
          if (!(await send(input, picture))) {
            await ended(run, signal);
            throw new Error('ffmpeg exited before the end of the clip');
          }
          numFrames++;
        }
      }),
    finish: () =>
      guarded(async () => {
        if (numFrames === 0) throw noFrames(path);
        input.end();
        await ended(run, signal);
        if (sound === null) {
          await file.keep();
        } else {
          const mix = sound(file.temporary, numFrames / fps);
          await writeAtomically(path, (temporary) =>
            ended(startFfmpeg([...mix, nameFor(temporary)], { signal, stallMs: STALL_MS }), signal),
          );
          await file.discard();
        }
        finished = true;
        signal?.removeEventListener('abort', abort);
      }),
    abort,
  };
}

/** The frames one by one, [H, W, 3]. */
function* pictures(frames: Frames, size: ClipOptions): Generator<Uint8Array> {
  expectFrames('ClipWriter.write', frames);
  if (frames.width !== size.width || frames.height !== size.height) {
    throw new ShapeError(
      `ClipWriter.write: frames must be ${size.width}x${size.height}, got ${frames.width}x${frames.height}`,
    );
  }
  for (let i = 0; i < frames.numFrames; i++) yield sliceFrames(frames, i, i + 1).data;
}

/** `file:` keeps ffmpeg from parsing a colon as a protocol or a leading dash as an option. */
const nameFor = (path: string): string => `file:${resolve(path)}`;

/** Throws unless ffmpeg has written everything. */
async function ended({ child, done }: FfmpegRun, signal?: AbortSignal): Promise<void> {
  child.stdout!.resume(); // carries no data, but must be drained for the process to close
  const { code, stderr, stalled } = await done;
  signal?.throwIfAborted();
  if (stalled) throw new Error(`ffmpeg produced nothing for ${STALL_MS / 60_000} minutes`);
  if (code !== 0 || /no space left/i.test(stderr)) {
    throw new Error(`ffmpeg exited with code ${code}: ${stderr.trim().replaceAll('\n', '; ')}`);
  }
}

/** Resolves when the bytes have been handed over; false if the stream is closed. */
function send(stream: Writable, bytes: Uint8Array): Promise<boolean> {
  return new Promise((sent) => stream.write(bytes, (error) => sent(!error)));
}

function gifWriter(path: string, options: ClipOptions): ClipWriter {
  let parts: Uint8Array[] | null = [];
  const expectOpen = () => {
    options.signal?.throwIfAborted();
    if (parts === null) throw givenUp(path);
    return parts;
  };
  return {
    isWidelyPlayed: true,
    hasSound: false,
    write: async (frames) => {
      for (const picture of pictures(frames, options)) expectOpen().push(picture.slice());
    },
    finish: async () => {
      const all = expectOpen();
      if (all.length === 0) throw noFrames(path);
      const bytes = await encodeGif(all, options);
      await writeAtomically(path, (temporary) => writeFile(temporary, bytes));
    },
    abort: async () => {
      parts = null;
    },
  };
}

function encodeGif(parts: Uint8Array[], { width, height, fps }: ClipOptions): Promise<Buffer> {
  const numFrames = parts.length;
  const raw = { width, height: height * numFrames, channels: 3 as const, pageHeight: height };
  // in hundredths of a second, which add up to the clip's length; browsers slow down what is below two
  const end = (frame: number) => Math.round((100 * frame) / fps);
  const delay = parts.map((_, i) => Math.max(20, 10 * (end(i + 1) - end(i))));
  return sharp(Buffer.concat(parts), { raw, limitInputPixels: false })
    .gif({ delay, loop: 0 })
    .toBuffer();
}

const givenUp = (path: string) =>
  new JobError(`${path}: cannot be written to any more, its writer has been aborted`);

const noFrames = (path: string) =>
  new InputError(`${path}: must have at least one frame, got none`);
