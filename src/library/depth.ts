/** Depth of pictures and clips, estimated by a model and written to files. */
import { resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { AbortError, DisposedError } from '../errors.js';
import { SourceFiles } from '../files/output-place.js';
import { createDepthWriter, expectDepthPlace, isDepthFolder } from '../media/depth/write-depth.js';
import { type ClipReader, expectRate, openClip, type Size } from '../media/index.js';
import { type DepthModel, estimateDepth, framesAtOnce } from '../models/depth-anything/index.js';
import { openRelativeDepth } from '../pipeline/depth-model.js';
import { chooseDevice } from '../pipeline/device.js';
import { tidy } from '../tensor/index.js';
import { type MediaInput, OpenInputs, pathOf } from './media-input.js';
import type { OpenOptions } from './open.js';

/** Options of `estimate`: which frames, and what is told about them. */
export interface DepthOptions {
  /** seconds to skip at the beginning of a clip */
  start?: number;
  /** stop after this many frames; default: all of them */
  numFrames?: number;
  /** ends the work; pending calls throw an `AbortError` */
  signal?: AbortSignal;
  /** receives a sentence for everything found in the file */
  onNote?: (sentence: string) => void;
}

/**
 * The progress of `save`: frames are estimated, and then written with one scale for all of them.
 *
 * ```ts
 * const onProgress = ({ phase, frame, frames }: DepthProgress) => report(phase, frame, frames);
 * ```
 */
export interface DepthProgress {
  phase: 'estimate' | 'write';
  /** frames that are done */
  frame: number;
  /** null: not known until the clip ends */
  frames: number | null;
}

/** Options for saving depth. */
export interface SaveDepthOptions extends DepthOptions {
  /** white is far; default: white is near */
  invert?: boolean;
  /** the palette turbo instead of gray, for people to look at: it cannot be read back as depth */
  colour?: boolean;
  /** frames per second; default: the input's */
  fps?: number;
  onProgress?: (progress: DepthProgress) => void;
}

/** Depth of a frame, [H, W] row by row: larger is nearer, without a unit, about 0 to 15. */
export interface DepthFrame extends Size {
  data: Float32Array;
  /** counted from 0 */
  index: number;
}

/** Saved depth. */
export interface SavedDepth extends Size {
  /** absolute path of the file or folder */
  path: string;
  numFrames: number;
  /** the farthest and nearest value: black and white in a gray file, unless inverted */
  least: number;
  most: number;
}

/**
 * Opens a depth model: its folder or ORG/NAME, or those of a pipeline that has one.
 *
 * ```ts
 * await using depth = await openDepth('models/mfm-mini');
 * await depth.save('clip.mp4', 'depth.mkv');
 * ```
 *
 * @throws InputError naming what is missing, damaged or does not fit
 */
export async function openDepth(
  model: string,
  {
    device,
    dtype = 'auto',
    onNote = () => {},
  }: Pick<OpenOptions, 'device' | 'dtype' | 'onNote'> = {},
): Promise<OpenDepth> {
  const chosen = chooseDevice(device, dtype, onNote);
  return new OpenDepth(openRelativeDepth(model, { dtype, device: chosen }));
}

/** An open depth model; see `openDepth`. Frames are read, estimated and released a few at a time. */
export class OpenDepth implements AsyncDisposable {
  private disposed = false;

  /** @internal */
  constructor(private readonly model: DepthModel) {}

  /** The folder that was opened. */
  get folder(): string {
    return this.model.folder;
  }

  /**
   * The depth of every frame of a picture or clip, in order.
   *
   * ```ts
   * for await (const { data, width, height } of depth.estimate('clip.mp4')) draw(data, width, height);
   * ```
   *
   * @throws InputError if the input cannot be read; AbortError, DisposedError
   */
  async *estimate(input: MediaInput, options: DepthOptions = {}): AsyncGenerator<DepthFrame, void> {
    const inputs = new OpenInputs();
    try {
      const reader = await this.open(inputs, input, options);
      let index = 0;
      for await (const { data, width, height } of this.pieces(reader, options)) {
        const plane = width * height;
        for (let at = 0; at < data.length; at += plane) {
          yield { data: data.slice(at, at + plane), width, height, index: index++ };
        }
      }
    } catch (error) {
      throw inWords(error, inputs, options);
    } finally {
      await inputs.close();
    }
  }

  /**
   * Estimates depth and writes it, completely or not at all. The extension decides the format: .png (16
   * bits), .tif (floats), .safetensors (floats, [F, H, W]), .mkv (8 bits, lossless), .mp4, .webm; a
   * path without one becomes a folder of 16-bit PNG. Gray has one scale for the whole clip, so values wait
   * in a temporary file beside the result, of 4 bytes a pixel, until the last frame is estimated.
   *
   * @throws as `estimate`; InputError for a path that cannot be written to, or the wrong kind of file
   */
  async save(
    input: MediaInput,
    path: string,
    { invert, colour, fps, onProgress, ...options }: SaveDepthOptions = {},
  ): Promise<SavedDepth> {
    const { signal } = options;
    const inputs = new OpenInputs();
    try {
      const reader = await this.open(inputs, input, { ...options, fps });
      try {
        const file = { fps: fps ?? reader.fps, invert, colour, signal };
        expectDepthPlace(path, reader.kind, file);
        expectOther(path, pathOf(input));
        if (reader.kind === 'video' && file.fps !== null) {
          expectRate(reader.path, file.fps, 'give the rate with `fps`');
        }
        const writer = await createDepthWriter(path, file);
        try {
          for await (const { data, width, height } of this.pieces(reader, options)) {
            await writer.write(data, { width, height });
            const frame = writer.written.numFrames;
            onProgress?.({ phase: 'estimate', frame, frames: reader.numFrames });
          }
          const { written } = writer;
          const frames = written.numFrames;
          await writer.finish((frame) => onProgress?.({ phase: 'write', frame, frames }));
          if (written.least === written.most) {
            options.onNote?.(`${path}: everything is equally far away, so it holds no depth`);
          }
          return { path: resolve(path), ...written };
        } finally {
          await writer.close();
        }
      } finally {
        await reader.close();
      }
    } catch (error) {
      throw inWords(error, inputs, options);
    } finally {
      await inputs.close();
    }
  }

  /** Frees the weights. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    this.model.network.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  private async open(
    inputs: OpenInputs,
    input: MediaInput,
    { start, numFrames, fps, signal, onNote }: SaveDepthOptions,
  ): Promise<ClipReader> {
    this.expectOpen();
    const media = await inputs.open(input, 'input');
    const reader = await openClip(media, { start, maxFrames: numFrames, signal });
    if (reader.kind === 'video') return reader;
    for (const [name, value] of Object.entries({ start, numFrames, fps })) {
      if (value !== undefined) onNote?.(`${reader.path}: a picture, so \`${name}\` has no effect`);
    }
    return reader;
  }

  /** Depth of a few frames after another, [F, H, W]. */
  private async *pieces(
    reader: ClipReader,
    { signal, onNote }: DepthOptions,
  ): AsyncGenerator<Size & { data: Float32Array }> {
    const { model } = this;
    const { width, height } = reader;
    const atOnce = Math.min(framesAtOnce(model, reader), MOST_AT_ONCE);
    try {
      for (;;) {
        const frames = await reader.read(atOnce);
        for (const note of reader.notes.splice(0)) onNote?.(note);
        if (!frames) return;
        await setImmediate(); // estimating blocks the event loop, and signals come in it
        signal?.throwIfAborted();
        this.expectOpen();
        const data = tidy(() => estimateDepth(model, frames).toFloat32Array().slice());
        yield { data, width, height };
      }
    } finally {
      await reader.close();
    }
  }

  private expectOpen(): void {
    if (!this.disposed) return;
    throw new DisposedError(`${this.folder}: was disposed; open it again to estimate more`);
  }
}

/** Frames that are in memory together, however small the model makes them. */
const MOST_AT_ONCE = 16;

/** @throws InputError if the result would replace the input, or lie among its pictures */
function expectOther(path: string, input: string | null): void {
  if (input === null) return;
  const source = new SourceFiles([{ path: input, what: 'the input' }]);
  if (isDepthFolder(path)) source.expectOtherFolder(path);
  else source.expectOther(path);
}

/** The error in words that the caller knows. */
function inWords(error: unknown, inputs: OpenInputs, { signal }: DepthOptions): unknown {
  if (signal?.aborted && !(error instanceof AbortError)) {
    return new AbortError('depth: was ended by its signal', { cause: signal.reason });
  }
  if (error instanceof Error) error.message = inputs.inWords(error.message);
  return error;
}
