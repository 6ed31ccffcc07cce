/** One result, generated when its frames are first asked for; it can be streamed and saved. */
import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { ConsumedError, InputError } from '../errors.js';
import { expectRate, type Frames, sliceFrames } from '../media/index.js';
import { joinFrames } from '../pipeline/generate/clip-window.js';
import { bare } from '../pipeline/generate/placed.js';
import type { Seed } from '../seed.js';
import { type Task, taskOfLength } from '../tasks/index.js';
import { type Asked, askedOf } from './asked.js';
import type { Engine } from './engine.js';
import { Making } from './making.js';
import { type MediaInput, pathOf } from './media-input.js';
import type { GenerateOptions, ResultPlan } from './request.js';
import {
  expectFile,
  expectFileHolds,
  expectQuality,
  type Made,
  ResultFile,
} from './result-file.js';
import { type AskedSettings, type ResultSettings, settingsOf, versions } from './settings.js';

/**
 * A frame of a result, [H, W, 3]: red, green, blue from 0 to 255, row by row.
 *
 * ```ts
 * for await (const { data, width, height, index } of clip.frames) draw(data, width, height, index);
 * ```
 */
export interface GeneratedFrame {
  data: Uint8Array;
  width: number;
  height: number;
  /** counted from 0 */
  index: number;
}

/** A whole result, [F, H, W, 3]. */
export interface GeneratedFrames extends Frames {
  /** frames per second; null for a picture */
  fps: number | null;
}

/**
 * Options for saving a result.
 *
 * ```ts
 * await clip.save('slow.mp4', { fps: 4 });
 * ```
 */
export interface SaveOptions {
  /** frames per second; default: the input's, or the pipeline's. Another rate leaves out the sound */
  fps?: number;
  /** of a JPEG or WebP, 1..100; default: 95 */
  quality?: number;
  /** more settings to store in the file, as JSON */
  settings?: Record<string, unknown>;
}

/** A saved result. */
export interface SavedResult {
  /** absolute path */
  path: string;
  width: number;
  height: number;
  numFrames: number;
  /** has the file sound? */
  sound: boolean;
  /** the settings stored in the file: everything that determines the result, and what made it */
  settings: ResultSettings;
}

/** Figures about generating a result. */
export interface ResultFigures {
  /** time spent, except on reading the input */
  seconds: number;
  /** steps that reused the last full step; see `cacheThreshold` */
  reusedSteps: number;
}

/**
 * A result of `Mfm.generate`. Nothing is read or generated until its frames, its plan or its file are
 * asked for. Frames come window by window and stay in memory (see `keepFrames`), so that a clip can
 * be shown while it is generated, and saved afterwards.
 *
 * ```ts
 * const clip = mfm.generate('i2v', { input: 'photo.jpg', prompt: 'the camera pans right' });
 * for await (const frame of clip.frames) draw(frame);
 * await clip.save('photo.mp4');
 * ```
 */
export class Generation implements AsyncDisposable {
  /** seed of the noise; the same seed and options give the same result */
  readonly seed: Seed;
  /** a mixture of a single frame makes an image */
  readonly task: Task;
  private readonly asked: Asked<MediaInput>;
  private readonly making: Making;
  /** what took the frames first: `frames`, `toFrames` or `save` */
  private takenBy: string | null = null;

  /** @internal */
  constructor(
    private readonly engine: Engine,
    asked: Task,
    private readonly options: GenerateOptions,
  ) {
    const task = taskOfLength(asked, options.numFrames);
    this.task = task;
    this.asked = askedOf(task, options);
    this.seed = options.seed ?? randomInt(2 ** 31);
    this.making = new Making(engine, { task, seed: this.seed, asked: this.asked }, options);
  }

  /**
   * The frames, as windows are decoded. A window is generated when its first frame is asked for, so
   * the first window's frames come before the next window is begun.
   *
   * @throws InputError, MemoryError, AbortError, DisposedError; ConsumedError if frames are not kept
   *         and were already taken
   */
  get frames(): AsyncIterable<GeneratedFrame> {
    return { [Symbol.asyncIterator]: () => this.eachFrame() };
  }

  /**
   * All frames at once.
   *
   * ```ts
   * const { data, width, height } = await mfm.generate('t2i', { prompt: 'a red cube' }).toFrames();
   * ```
   *
   * @throws as `frames`
   */
  async toFrames(): Promise<GeneratedFrames> {
    this.take('toFrames');
    const pieces: Frames[] = [];
    for await (const piece of this.pieces()) pieces.push(piece);
    const { fps } = await this.plan();
    return { ...joinFrames(pieces), fps };
  }

  /**
   * Writes the result to a file, completely or not at all, with its settings inside: a picture, or a
   * clip with its input's sound. The file's extension decides the format.
   *
   * @throws as `frames`; InputError for a path that cannot be written to, or the wrong kind of file
   */
  async save(path: string, { fps, quality, settings }: SaveOptions = {}): Promise<SavedResult> {
    const { task, making, asked } = this;
    expectFile(path, task, filesOf(asked));
    if (quality !== undefined) expectQuality(path, quality);
    if (fps !== undefined && task.result === 'image') {
      throw new InputError(`${task.id}: makes an image; leave out \`fps\``, { field: 'fps' });
    }
    const stored = await this.settings({ fps, quality, settings });
    this.take('save');
    let file: ResultFile | null = null;
    try {
      const { result } = await making.begin();
      expectFileHolds(path, result.size);
      if (task.result === 'video') {
        const { depthFrom, inputs, known = [] } = asked;
        const followed = depthFrom === undefined ? inputs : [depthFrom];
        const shown = [...followed, ...known.map(({ media }) => media)];
        const [named = null] = shown.map((input) => pathOf(input) ?? 'input');
        expectRate(named ?? this.engine.folder, fps ?? result.fps, 'give the rate with `fps`');
      }
      file = new ResultFile(path, result, {
        task,
        fps,
        quality,
        signal: making.signal,
        onNote: making.note,
        settingsOf: (made) => ({ ...stored, made: this.madeOf(result.prompt, made) }),
      });
      for await (const frames of this.pieces()) await file.write(frames);
      const { size, sound, settings: written } = await file.finish();
      return { path: resolve(path), ...size, sound, settings: written };
    } catch (error) {
      throw making.inWords(error);
    } finally {
      await file?.abort();
      if (this.options.keepFrames === false) await making.close();
    }
  }

  /**
   * The result's size and estimated cost; reads the input, but generates nothing.
   * @throws as `frames`
   */
  async plan(): Promise<ResultPlan> {
    return (await this.making.begin()).plan;
  }

  /** Everything that determines the result, as `save` stores it in the file, without `made`. */
  async settings(saving: SaveOptions = {}): Promise<AskedSettings> {
    return settingsOf(this.engine, { task: this.task, seed: this.seed, asked: this.asked }, saving);
  }

  /** Figures about generating it, so far. */
  get figures(): ResultFigures {
    const { computedMs, reusedSteps } = this.making;
    return { seconds: computedMs / 1000, reusedSteps };
  }

  /** Closes its inputs; no more frames are generated. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.making.close();
  }

  private async *eachFrame(): AsyncGenerator<GeneratedFrame, void> {
    this.take('frames');
    const keeps = this.options.keepFrames !== false;
    let index = 0;
    try {
      for await (const piece of this.pieces()) {
        const { width, height } = piece;
        for (let i = 0; i < piece.numFrames; i++) {
          const { data } = sliceFrames(piece, i, i + 1);
          // a copy, so that changing it does not change the kept frames
          yield { data: keeps ? data.slice() : data, width, height, index: index++ };
        }
      }
    } finally {
      if (!keeps) await this.making.close();
    }
  }

  private async *pieces(): AsyncGenerator<Frames, void> {
    for (let i = 0; ; i++) {
      const piece = await this.making.piece(i);
      if (!piece) return;
      yield piece;
    }
  }

  private take(by: string): void {
    const { takenBy } = this;
    if (this.options.keepFrames === false && takenBy !== null) {
      throw new ConsumedError(
        `${this.task.id}: \`${takenBy}\` has already taken the frames, and with \`keepFrames: false\` they come only once; leave that out, or generate again with \`seed: ${this.seed}\``,
        { field: 'keepFrames' },
      );
    }
    this.takenBy ??= by;
  }

  /** Facts about the generated result, and the versions that made it. */
  private madeOf(prompt: string, { width, height, numFrames, fps }: Made): Record<string, unknown> {
    const { device, dtype } = this.engine.pipeline;
    const length = this.task.result === 'image' ? { numFrames: 1 } : { numFrames, fps };
    return {
      prompt,
      width,
      height,
      ...length,
      solver: this.asked.solver ?? 'euler',
      device,
      dtype,
      ...versions(),
    };
  }
}

/** Files that are read, which the result must not replace. */
function filesOf({
  inputs,
  known = [],
  mask,
  depth = [],
  depthFrom,
  reference,
}: Asked<MediaInput>) {
  const all = (what: string, given: readonly (MediaInput | undefined)[]) =>
    given.flatMap((input) => (input === undefined ? [] : [{ input, what }]));
  const named = [
    ...all('the input', [...inputs, depthFrom, ...known.map(({ media }) => media)]),
    ...all(
      'the mask',
      known.map((part) => part.mask),
    ),
    ...all('the mask', mask && 'file' in mask ? [mask.file] : []),
    ...all('the depth', [...depth.map(bare), ...known.map((part) => part.depth)]),
    ...all('the reference', [reference]),
  ];
  return named.flatMap(({ input, what }) => {
    const path = pathOf(input);
    return path === null ? [] : [{ path, what }];
  });
}
