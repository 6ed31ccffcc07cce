/** The file of a result: a picture, or a clip that is written piece by piece. */
import { extname } from 'node:path';
import { InputError } from '../errors.js';
import { expectPlace, SourceFiles } from '../files/output-place.js';
import {
  type ClipWriter,
  createClipWriter,
  type Frames,
  findFfmpeg,
  outputKind,
  type Size,
  writeImage,
} from '../media/index.js';
import type { Result } from '../pipeline/generate/generate.js';
import type { Target, Task } from '../tasks/index.js';
import type { ResultSettings } from './settings.js';

/** @throws InputError, before any work, if the result could not or must not be written to the path */
export function expectFile(
  path: string,
  { id, result }: Task,
  inputs: readonly { path: string; what: string }[],
): void {
  expectPlace(path);
  if (outputKind(path) !== result) {
    throw new InputError(
      `${path}: ${id} makes ${result === 'image' ? 'an image' : 'a clip'}; name a file that ends in .${result === 'image' ? 'png' : 'mp4'}`,
    );
  }
  new SourceFiles(inputs).expectOther(path);
  if (result === 'video' && extname(path).toLowerCase() !== '.gif') findFfmpeg();
}

/** The longest side of a WebP. Source: its specification, RFC 9649 */
const WEBP_SIDE = 16383;

/** @throws InputError, before any work, if a picture of this size cannot be written to the path */
export function expectFileHolds(path: string, { width, height }: Size): void {
  if (Math.max(width, height) <= WEBP_SIDE || !/\.webp$/i.test(path)) return;
  throw new InputError(
    `${path}: a WebP has at most ${WEBP_SIDE} pixels on a side, and the result is ${width}x${height}; name a .png or .jpg`,
  );
}

/** @throws InputError for a quality out of range, or a file that has none */
export function expectQuality(path: string, quality: number): void {
  if (!Number.isInteger(quality) || quality < 1 || quality > 100) {
    throw new InputError(`\`quality\`: must be a whole number from 1 to 100, got ${quality}`, {
      field: 'quality',
    });
  }
  if (/\.(jpe?g|webp)$/i.test(path)) return;
  throw new InputError(
    `${path}: has no \`quality\`, as only .jpg and .webp do; leave it out, or name such a file`,
    { field: 'quality' },
  );
}

/** The facts about a result that are stored in its file, known when its first frames are. */
export interface Made {
  width: number;
  height: number;
  /** undefined: the end of the input decides */
  numFrames: number | undefined;
  fps: number;
}

export interface ResultFileOptions {
  task: Task;
  /** frames per second, instead of the result's own */
  fps?: number;
  /** of a JPEG or WebP, 1..100; default: that of `writeImage` */
  quality?: number;
  signal?: AbortSignal;
  onNote: (sentence: string) => void;
  /** the settings to store in the file */
  settingsOf: (made: Made) => ResultSettings;
}

export class ResultFile {
  private writer: ClipWriter | null = null;
  private picture: Frames | null = null;
  private settings: ResultSettings | null = null;
  private size: Target | null = null;
  private finished = false;

  constructor(
    private readonly path: string,
    private readonly result: Result,
    private readonly options: ResultFileOptions,
  ) {}

  async write(frames: Frames): Promise<void> {
    if (!this.size) await this.begin(frames);
    this.size!.numFrames += frames.numFrames;
    if (this.writer) await this.writer.write(frames);
    else this.picture = frames;
  }

  private async begin({ width, height }: Frames): Promise<void> {
    const { result } = this;
    const { task, signal, onNote } = this.options;
    const { audio, fullRange } = result;
    const { fps: wanted = result.fps } = this.options;
    // 29.97 means the 30000/1001 of the input, too
    const fps = Math.abs(wanted / result.fps - 1) < 1e-4 ? result.fps : wanted;
    const numFrames = result.numFrames ?? undefined;
    this.settings = this.options.settingsOf({ width, height, numFrames, fps });
    this.size = { width, height, numFrames: 0 };
    if (task.result === 'image') return;
    // at another rate, picture and sound would drift apart
    if (audio && fps !== result.fps) {
      onNote(
        `\`fps\`: ${fps} is not the ${result.fps} of the input, so any sound of the input is left out`,
      );
    }
    const sound = audio && fps === result.fps ? { path: audio, startSeconds: 0 } : undefined;
    const description = JSON.stringify(this.settings);
    this.writer = await createClipWriter(this.path, {
      width,
      height,
      fps,
      description,
      fullRange,
      signal,
      audio: sound,
    });
    if (this.writer.isWidelyPlayed) return;
    const even = { width: width + (width % 2), height: height + (height % 2) };
    onNote(
      `${this.path}: ${width}x${height} is an odd size, so it is written as H.264 4:4:4, which QuickTime and phones do not play; \`size: { width: ${even.width}, height: ${even.height} }\` plays everywhere`,
    );
  }

  /** @returns the settings in the file, and what the result is */
  async finish(): Promise<{ settings: ResultSettings; size: Target; sound: boolean }> {
    const settings = this.settings!;
    const size = this.size!;
    const { quality } = this.options;
    const description = JSON.stringify(settings);
    if (this.writer) await this.writer.finish();
    else await writeImage(this.path, this.picture!, { quality, description });
    this.finished = true;
    const sound = this.writer?.hasSound ?? false;
    if (this.options.task.result === 'image') return { settings, size, sound };
    // an input clip may be shorter or longer than its file states
    const made = { ...settings.made, numFrames: size.numFrames };
    return { settings: { ...settings, made }, size, sound };
  }

  /** Removes an incomplete file; a finished one stays. */
  async abort(): Promise<void> {
    if (!this.finished) await this.writer?.abort();
  }
}
