/** A result while it is generated: its input is read once, its pieces are generated in order. */
import { AbortError, DisposedError, MfmError } from '../errors.js';
import type { Frames } from '../media/index.js';
import { type GenerateRequest, type Result, startResult } from '../pipeline/generate/generate.js';
import { givesKnownDepth } from '../pipeline/generate/request.js';
import { tokensOfResult, workOfResult } from '../pipeline/generate/result-work.js';
import type { Target } from '../tasks/index.js';
import { isOutOfMemory } from '../tensor/index.js';
import { withMedia } from './asked.js';
import type { Engine } from './engine.js';
import { OpenInputs } from './media-input.js';
import { outOfMemory } from './out-of-memory.js';
import { ResultProgress } from './progress.js';
import type { GenerateOptions, ResultPlan } from './request.js';
import type { SeamFigures } from './seam-figures.js';
import type { ResultRequest } from './settings.js';

/** A result whose input has been read. */
interface Begun {
  result: Result;
  plan: ResultPlan;
}

export class Making {
  /** aborts when the request's signal does, when the pipeline is disposed, or on an early `close` */
  readonly signal: AbortSignal;
  /** steps that reused the last full step */
  reusedSteps = 0;
  /** time spent on generating, milliseconds */
  computedMs = 0;
  private readonly inputs = new OpenInputs();
  /** measured if part of the frames was known */
  private seams: SeamFigures | null = null;
  private readonly closed = new AbortController();
  private begun: Promise<Begun> | null = null;
  private result: Result | null = null;
  private size: Target | null = null;
  private readonly kept: Frames[] = [];
  private ended = false;
  private failure: unknown = null;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly engine: Engine,
    private readonly request: ResultRequest,
    private readonly options: GenerateOptions,
  ) {
    const own = [engine.disposed, this.closed.signal];
    this.signal = AbortSignal.any(options.signal ? [...own, options.signal] : own);
  }

  /** Reads and fits the input, once. @throws MemoryError, and the errors of reading */
  begin(): Promise<Begun> {
    this.begun ??= this.engine
      .inTurn(() => this.read())
      .catch(async (error) => {
        throw await this.failed(error);
      });
    return this.begun;
  }

  /** The piece at an index, generated now if it does not exist yet; null after the last one. */
  piece(place: number): Promise<Frames | null> {
    const mine = this.turn.then(() => {
      if (place < this.kept.length) return this.kept[place]!;
      if (this.failure) throw this.failure;
      return this.ended ? null : this.makePiece();
    });
    this.turn = mine.catch(() => {});
    return mine;
  }

  private async makePiece(): Promise<Frames | null> {
    const { result } = await this.begin();
    try {
      const next = await this.engine.inTurn(async () => {
        this.signal.throwIfAborted();
        const startMs = performance.now();
        if (this.options.onPreview) this.engine.pipeline.preparePreviews();
        const made = await result.pieces.next();
        this.computedMs += performance.now() - startMs;
        return made;
      });
      if (next.done) {
        await this.end(result);
        return null;
      }
      const { frames } = next.value;
      if (next.value.filled) {
        // loaded only when needed: most results have no seams
        this.seams ??= new (await import('./seam-figures.js')).SeamFigures();
        this.seams.add(next.value);
      }
      if (this.options.keepFrames !== false) this.kept.push(frames);
      return frames;
    } catch (error) {
      throw await this.failed(error);
    }
  }

  private async end({ audio }: Result): Promise<void> {
    this.ended = true;
    for (const line of this.seams?.lines() ?? []) this.note(line);
    // the sound is read when the result is saved, which may be later
    if (audio === null || !this.inputs.isTemporary(audio)) await this.close();
  }

  private async read(): Promise<Begun> {
    const { engine, request, options, inputs } = this;
    this.signal.throwIfAborted();
    engine.closeLater(this.close);
    this.noteTraining();
    const { onPlan, onProgress, onPreview, previewSeconds = 0, rewritePrompt } = options;
    let window = 0;
    let shownMs = performance.now();
    const progress = onProgress && new ResultProgress(onProgress);
    const asked = await withMedia(request.asked, (input, name) => inputs.open(input, name));
    const whole: GenerateRequest = {
      ...asked,
      task: request.task,
      seed: request.seed,
      estimateDepth: engine.estimateDepth,
      rewritePrompt,
      signal: this.signal,
      onNote: this.note,
      onWindow: (index, windows) => {
        window = index;
        progress?.onWindow(index, windows);
      },
      onProgress: progress?.update,
      onStep: (step, steps, state) => {
        if (state.reused) this.reusedSteps++;
        const now = performance.now();
        if (!onPreview || now - shownMs < 1000 * previewSeconds) return;
        shownMs = now;
        onPreview({ frames: engine.pipeline.preview(state), step, steps, window });
      },
    };
    const result = await startResult(engine.pipeline, whole);
    try {
      this.noteDepth(whole, result);
      const plan = this.planOf(whole, result);
      onPlan?.(plan);
      this.signal.throwIfAborted();
      this.result = result;
      return { result, plan };
    } catch (error) {
      await result.close();
      throw error;
    }
  }

  private planOf(request: GenerateRequest, result: Result): ResultPlan {
    const { pipeline, planner } = this.engine;
    const { size, numFrames, numWindows } = result;
    const isImage = request.task.result === 'image';
    this.size = { ...size, numFrames: isImage ? 1 : (numFrames ?? 1) };
    const known = {
      width: size.width,
      height: size.height,
      numFrames: isImage ? 1 : numFrames,
      fps: isImage ? null : result.fps,
      numWindows,
      availableBytes: planner.availableBytes,
      tokens: tokensOfResult(pipeline, { ...request, prompt: result.prompt }, result),
    };
    const work = workOfResult(pipeline, request, result);
    const cost = planner.plan(work);
    if (this.options.checkMemory !== false) planner.expectToFit(cost, work);
    const { peakBytes } = cost;
    return {
      ...known,
      peakBytes,
      fits: peakBytes <= planner.limitBytes,
      seconds: numWindows && numWindows * cost.seconds,
      cost,
    };
  }

  private noteTraining(): void {
    const { pipeline, folder } = this.engine;
    const { id } = this.request.task;
    const trained = pipeline.settings.tasks;
    if (!trained || trained.includes(id)) return;
    const sentence = `${folder}: was not trained on ${id} (only ${trained.join(', ')})`;
    if (this.engine.isNews(sentence)) this.note(sentence);
  }

  private noteDepth(request: GenerateRequest, { given }: Result): void {
    const { task, estimateDepth } = request;
    const depth = givesKnownDepth(task, request);
    const { pipeline, folder } = this.engine;
    const { known, geometry } = given;
    if (known.length === 0 || geometry.length > 0) return;
    const usesDepth = pipeline.depthRules(task).known;
    if (depth && !usesDepth) {
      this.note(`${folder}: was not trained with depth; \`depth\` may make results worse`);
    } else if (this.engine.asked.depthModel && !depth && !usesDepth) {
      this.note(
        `${folder}: was not trained with depth of known frames, so ${task.id} goes without \`depthModel\``,
      );
    } else if (!estimateDepth && !depth && usesDepth) {
      this.note(
        `${folder}: has no depth model, so ${task.id} goes without depth; name one with \`depthModel\`, or give depth with \`depth\``,
      );
    }
  }

  readonly note = (sentence: string): void => {
    this.options.onNote?.(this.inputs.inWords(sentence));
  };

  /** The error to throw instead of another: the reason for ending, in words that the caller knows. */
  inWords(error: unknown): unknown {
    if (this.engine.disposed.aborted) return this.engine.disposed.reason;
    if (this.options.signal?.aborted && !(error instanceof AbortError)) {
      const { id } = this.request.task;
      return new AbortError(`${id}: was ended by its signal`, {
        cause: this.options.signal.reason,
      });
    }
    if (this.closed.signal.aborted) return this.closed.signal.reason;
    if (!(error instanceof Error)) return error;
    if (isOutOfMemory(error)) {
      return outOfMemory(this.request.task.id, this.engine.pipeline.device, this.size, error);
    }
    error.message = this.inputs.inWords(error.message);
    const field = this.inputs.optionOf(error.message);
    if (field !== undefined && error instanceof MfmError && error.field === undefined) {
      Object.assign(error, { field });
    }
    return error;
  }

  private async failed(error: unknown): Promise<unknown> {
    this.failure ??= this.inWords(error);
    await this.close();
    return this.failure;
  }

  /** Stops reading inputs and removes temporary files; frames that were kept stay available. */
  readonly close = async (): Promise<void> => {
    const { id } = this.request.task;
    if (!this.ended) {
      this.failure ??= new DisposedError(
        `${id}: was closed before it was finished; generate it again`,
      );
      this.closed.abort(this.failure);
    }
    this.engine.forget(this.close);
    await this.result?.pieces.return(undefined);
    await this.result?.close();
    await this.inputs.close();
  };
}
