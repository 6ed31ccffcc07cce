/**
 * Writes TensorBoard's event files: scalars and pictures over steps.
 *
 * TensorBoard reads the files of a folder as one run, in the order of their names. Each process
 * begins a file of its own, so a half-written record of a killed process ends its file and spoils
 * nothing. Each part of a run needs a folder of its own, as its steps begin at 0 again, and
 * resuming it drops later steps of everything in the folder.
 *
 * Source of the field numbers: event.proto and summary.proto of TensorBoard 2.21
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, readdirSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../../../errors.js';
import { writeFailure } from '../../../files/write-failure.js';
import {
  bytesField,
  doubleField,
  floatField,
  integerField,
  message,
  textField,
} from './protobuf.js';
import { frame } from './tfrecord.js';

export interface EventOptions {
  /** for a resumed run: records of this step and later ones by earlier processes are dropped */
  firstStep?: number;
  /** milliseconds since 1970 */
  now?: () => number;
}

/**
 * Tags may be grouped by a slash: `validation/t2v`. A step may be recorded in any number of calls.
 */
export class EventWriter {
  readonly path: string;
  private readonly file: number;
  private readonly now: () => number;
  /** bytes of the complete records so far */
  private size = 0;

  /** Creates the folder and a new file in it. @throws the error of `writeFailure` if a write fails */
  constructor(folder: string, { firstStep = 0, now = Date.now }: EventOptions = {}) {
    this.now = now;
    const { path, file } = newFile(folder, Math.floor(now() / 1000));
    this.path = path;
    this.file = file;
    this.record(now(), textField(3, 'brain.Event:2'), bytesField(10, textField(1, WRITER)));
    // a start record drops what earlier processes recorded from its step on
    const start = bytesField(7, integerField(1, SESSION_START));
    this.record(now(), integerField(2, firstStep), start);
  }

  /** Records values by tag; NaN and infinities are kept as they are. */
  scalars(values: Record<string, number>, step: number, timeMs = this.now()): void {
    const entries = Object.entries(values);
    if (entries.length === 0) return;
    const fields = entries.map(([tag, value]) =>
      bytesField(1, message(textField(1, tag), floatField(2, value))),
    );
    this.summary(message(...fields), step, timeMs);
  }

  /** @param png  the bytes of a PNG file */
  image(tag: string, png: Uint8Array, step: number, timeMs = this.now()): void {
    const { width, height, channels } = pngHeader(tag, png);
    const picture = message(
      integerField(1, height),
      integerField(2, width),
      integerField(3, channels),
      bytesField(4, png),
    );
    const value = message(textField(1, tag), bytesField(4, picture));
    this.summary(bytesField(1, value), step, timeMs);
  }

  close(): void {
    closeSync(this.file);
  }

  private summary(summary: Buffer, step: number, timeMs: number): void {
    this.record(timeMs, integerField(2, step), bytesField(5, summary));
  }

  /** Writes an event completely or not at all: on a full disk, a part would spoil what follows. */
  private record(timeMs: number, ...fields: Buffer[]): void {
    const bytes = frame(message(doubleField(1, timeMs / 1000), ...fields));
    try {
      let written = 0;
      while (written < bytes.length) {
        written += writeSync(
          this.file,
          bytes,
          written,
          bytes.length - written,
          this.size + written,
        );
      }
    } catch (cause) {
      ftruncateSync(this.file, this.size);
      throw writeFailure(this.path, cause);
    }
    this.size += bytes.length;
  }
}

const WRITER = 'tensorboard.summary.writer.event_file_writer';
/** SessionLog.START */
const SESSION_START = 1;

let filesOfProcess = 0;

/** Creates `events.out.tfevents.SECONDS.HOST.PID.N`, whose name sorts after all that exist. */
function newFile(folder: string, seconds: number): { path: string; file: number } {
  try {
    mkdirSync(folder, { recursive: true });
    const times = readdirSync(folder).map((name) =>
      /^events\.out\.tfevents\.(\d{10})\./.exec(name),
    );
    // a clock that was set back, or two starts within a second, must not change the order
    const time = Math.max(seconds, ...times.map((match) => (match ? Number(match[1]) + 1 : 0)));
    const name = `events.out.tfevents.${time}.${hostname()}.${process.pid}.${filesOfProcess++}`;
    const path = join(folder, name);
    return { path, file: openSync(path, 'wx') };
  } catch (cause) {
    throw writeFailure(folder, cause);
  }
}

const PNG_SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** Channels by the header's colour type: gray, RGB, palette, gray and alpha, RGB and alpha. */
const PNG_CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 3, 4: 2, 6: 4 };

/** Source: PNG specification, 11.2.2 IHDR */
function pngHeader(tag: string, png: Uint8Array) {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  const channels = bytes.length > 25 ? PNG_CHANNELS[bytes[25]!] : undefined;
  if (!bytes.subarray(0, 8).equals(PNG_SIGNATURE) || channels === undefined) {
    throw new InputError(
      `${tag}: must be the bytes of a PNG file, got ${bytes.length} other bytes`,
    );
  }
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), channels };
}
