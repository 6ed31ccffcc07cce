/** An open pipeline. */
import type { OwnSettings } from '../pipeline/index.js';
import { TASKS, type Task, taskOf } from '../tasks/index.js';
import type { Engine } from './engine.js';
import { Generation } from './generation.js';
import type { GenerateOptions, RequestFor, ResultPlan } from './request.js';

/** A task's name, or its declaration. */
type TaskName = string | Task;

/**
 * An open pipeline; see `open`. Results that are asked for at the same time take turns, window by
 * window, and are the same as if they were generated one after the other.
 *
 * ```ts
 * const mfm = await open('models/mfm-mini');
 * try {
 *   await mfm.generate('isr', { input: 'photo.jpg' }).save('larger.png');
 * } finally {
 *   await mfm.dispose();
 * }
 * ```
 */
export class Mfm implements AsyncDisposable {
  /** @internal */
  constructor(private readonly engine: Engine) {}

  /** The folder that was opened. */
  get folder(): string {
    return this.engine.folder;
  }

  /** Where networks compute: `cpu`, `cuda:0`. */
  get device(): string {
    return this.engine.pipeline.device;
  }

  /** The dtype that networks compute in: `float32`, `bfloat16`. */
  get dtype(): string {
    return this.engine.pipeline.dtype;
  }

  /** The tasks that the pipeline was trained on. */
  get tasks(): readonly Task[] {
    const { tasks } = this.engine.pipeline.settings;
    return Object.values<Task>(TASKS).filter(({ id }) => tasks?.includes(id) ?? true);
  }

  /**
   * The default settings of a task: size, steps, guidance, and so on.
   *
   * ```ts
   * const { width, height, numInferenceSteps } = mfm.settingsFor('t2v');
   * ```
   *
   * @throws InputError if there is no such task
   */
  settingsFor(task: TaskName): OwnSettings {
    return this.engine.pipeline.settingsFor(declared(task));
  }

  /**
   * Creates a result, which is generated when its frames or its file are asked for.
   *
   * ```ts
   * const clip = mfm.generate('t2v', { prompt: 'a red cube moves left', seed: 7 });
   * await clip.save('cube.mp4');
   * ```
   *
   * @throws InputError for an unknown option or a wrong value; DisposedError. Missing inputs and
   *         problems with files are found later, and thrown when the frames are asked for
   */
  generate<const T extends TaskName>(task: T, request: RequestFor<T>): Generation {
    this.engine.expectOpen();
    return new Generation(this.engine, declared(task), request as GenerateOptions);
  }

  /**
   * A result's size and estimated cost. Reads its input, but generates nothing.
   *
   * ```ts
   * const { peakBytes, seconds, fits } = await mfm.plan('t2v', { prompt: 'a cube', numFrames: 97 });
   * ```
   *
   * @throws as `Generation.frames`, except MemoryError
   */
  async plan<const T extends TaskName>(task: T, request: RequestFor<T>): Promise<ResultPlan> {
    this.engine.expectOpen();
    // the prompt does not change the cost, so it is not rewritten
    const options: GenerateOptions = {
      ...(request as GenerateOptions),
      checkMemory: false,
      rewritePrompt: undefined,
    };
    await using generation = new Generation(this.engine, declared(task), options);
    return await generation.plan();
  }

  /**
   * Frees the weights. Results that are being generated stop after their current step, and pending
   * calls throw a `DisposedError`.
   */
  async dispose(): Promise<void> {
    await this.engine.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

const declared = (task: TaskName): Task => (typeof task === 'string' ? taskOf(task) : task);
