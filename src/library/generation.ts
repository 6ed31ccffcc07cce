/** One result: made when its frames are first asked for, streamed, saved. */
import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { ConsumedError } from '../errors.js';
import { expectRate, type Frames, sliceFrames } from '../media/index.js';
import { joinFrames } from '../pipeline/generate/clip-window.js';
import type { Seed } from '../seed.js';
import type { Task } from '../tasks/index.js';
import { type Asked, askedOf } from './asked.js';
import type { Engine } from './engine.js';
import { Making } from './making.js';
import { type MediaInput, pathOf } from './media-input.js';
import type { GenerateOptions, ResultPlan } from './request.js';
import { expectFile, type Made, ResultFile } from './result-file.js';
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
  /** from 0 on */
  index: number;
}

/** A whole result, [F, H, W, 3]. */
export interface GeneratedFrames extends Frames {
  /** frames a second; null for a picture */
  fps: number | null;
}

/**
 * How a result is saved.
 *
 * ```ts
 * await clip.save('slow.mp4', { fps: 4 });
 * ```
 */
export interface SaveOptions {
  /** frames a second; default: the input's, or the pipeline's. Another rate leaves out the sound */
  fps?: number;
  /** more to be stored with the settings in the file, as JSON */
  settings?: Record<string, unknown>;
}

/** What was saved. */
export interface SavedResult {
  /** absolute */
  path: string;
  width: number;
  height: number;
  numFrames: number;
  /** what is in the file: all that the result follows from, and what made it */
  settings: ResultSettings;
}

/** What making a result took. */
export interface ResultFigures {
  /** of everything but reading the input */
  seconds: number;
  /** steps that used the one before again; see `cacheThreshold` */
  reusedSteps: number;
}

/**
 * A result of `Mfm.generate`. Nothing is read or made until its frames, its plan or its file are
 * asked for. Frames come window by window, and those that came stay in memory (see `keepFrames`), so
 * that a clip can be shown while it is made, and saved after that.
 *
 * ```ts
 * const clip = mfm.generate('i2v', { input: 'photo.jpg', prompt: 'the camera pans right' });
 * for await (const frame of clip.frames) draw(frame);
 * await clip.save('photo.mp4');
 * ```
 */
export class Generation implements AsyncDisposable {
  /** of the noise; with it and the same options the result is made again */
  readonly seed: Seed;
  private readonly asked: Asked<MediaInput>;
  private readonly making: Making;
  /** who has the frames: `frames`, `toFrames`, `save` */
  private takenBy: string | null = null;

  /** @internal */
  constructor(
    private readonly engine: Engine,
    readonly task: Task,
    private readonly options: GenerateOptions,
  ) {
    this.asked = askedOf(task, options);
    this.seed = options.seed ?? randomInt(2 ** 31);
    this.making = new Making(engine, { task, seed: this.seed, asked: this.asked }, options);
  }

  /**
   * The frames, as windows are decoded: those of the first window are there while the next one is
   * yet to be made, which begins when its first frame is asked for.
   *
   * @throws InputError, MemoryError, AbortError, DisposedError; ConsumedError where frames are not
   *         kept and were taken before
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
   * Writes the result to a file, whole or not at all, with its settings inside: a picture, or a clip
   * in the format that the name ends in, with the sound of its input.
   *
   * @throws as `frames`; InputError for a place that cannot be written to, or another kind of file
   */
  async save(path: string, { fps, settings }: SaveOptions = {}): Promise<SavedResult> {
    const { task, making, asked } = this;
    expectFile(path, task, filesOf(asked));
    const stored = await this.settings({ fps, settings });
    this.take('save');
    let file: ResultFile | null = null;
    try {
      const { result } = await making.begin();
      if (task.result === 'video') {
        const [named = null] = asked.inputs.map((input) => pathOf(input) ?? 'input');
        expectRate(named ?? this.engine.folder, fps ?? result.fps, 'give the rate with `fps`');
      }
      file = new ResultFile(path, result, {
        task,
        fps,
        signal: making.signal,
        onNote: making.note,
        settingsOf: (made) => ({ ...stored, made: this.madeOf(result.prompt, made) }),
      });
      for await (const frames of this.pieces()) await file.write(frames);
      const saved = await file.finish();
      return { path: resolve(path), ...saved.size, settings: saved.settings };
    } catch (error) {
      throw making.inWords(error);
    } finally {
      await file?.abort();
      if (this.options.keepFrames === false) await making.close();
    }
  }

  /**
   * What the result will be and what it costs; its input is read, and nothing is made.
   * @throws as `frames`
   */
  async plan(): Promise<ResultPlan> {
    return (await this.making.begin()).plan;
  }

  /** All that the result follows from, as `save` stores it in the file, without `made`. */
  async settings(saving: SaveOptions = {}): Promise<AskedSettings> {
    return settingsOf(this.engine, { task: this.task, seed: this.seed, asked: this.asked }, saving);
  }

  /** What making it took so far. */
  get figures(): ResultFigures {
    const { computedMs, reusedSteps } = this.making;
    return { seconds: computedMs / 1000, reusedSteps };
  }

  /** Ends it: its inputs are closed, and of its frames no more are made. */
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
          // a copy of what is kept, so that whoever changes it changes nothing else
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
        `${this.task.id}: \`${takenBy}\` has the frames already, and with \`keepFrames: false\` they come once; leave that out, or generate again with \`seed: ${this.seed}\``,
        { field: 'keepFrames' },
      );
    }
    this.takenBy ??= by;
  }

  /** What the result came to, and with which versions. */
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

/** What is read, and a result must not replace. */
function filesOf({ inputs, mask, depth = [], reference }: Asked<MediaInput>) {
  const named = [
    ...inputs.map((input) => ({ input, what: 'the input' })),
    ...(mask && 'file' in mask ? [{ input: mask.file, what: 'the mask' }] : []),
    ...depth.map((input) => ({ input, what: 'the depth' })),
    ...(reference === undefined ? [] : [{ input: reference, what: 'the reference' }]),
  ];
  return named.flatMap(({ input, what }) => {
    const path = pathOf(input);
    return path === null ? [] : [{ path, what }];
  });
}
