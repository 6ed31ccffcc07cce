/**
 * A pipeline: text encoder, transformer, autoencoder and noise schedule. It turns a prompt and a
 * condition into frames.
 */
import { setImmediate } from 'node:timers/promises';
import { type SchedulerConfig, type SolverName, schedule } from '../diffusion/index.js';
import { InputError, JobError } from '../errors.js';
import type { Frames } from '../media/index.js';
import type { Autoencoder } from '../models/autoencoder/index.js';
import { latentFrames } from '../models/latent-grid.js';
import type { CutPrompt, PromptTokenizer, T5Encoder } from '../models/t5/index.js';
import { isFlowMap, type PreparedText, type Transformer3D } from '../models/transformer/index.js';
import { allFinite, GET_ANOTHER, type Module } from '../nn/index.js';
import { type Seed, seedAfter } from '../seed.js';
import {
  type Condition,
  type DepthEstimator,
  type DepthRules,
  type Target,
  type Task,
  taggedPrompt,
  takesKnownDepth,
} from '../tasks/index.js';
import {
  cat,
  type DType,
  emptyCache,
  expectMappedWhole,
  Generator,
  noGrad,
  randn,
  type Tensor,
  tensor,
  tidy,
  withCacheLimit,
} from '../tensor/index.js';
import { type Batch, disposeBatches } from './batches.js';
import { denoise, isWithin, type OnStep, type StepState } from './denoise.js';
import type { Tiling } from './generate/tiles.js';
import { fromModelLatents } from './latents.js';
import type { PipelinePart } from './part.js';
import { prepareGrids } from './prepare-grids.js';
import { coloursOf, fitColours, type LatentColours } from './preview.js';
import type { OnProgress } from './progress.js';
import { type OwnSettings, type PipelineSettings, settingsFor } from './settings.js';

export interface SampleRequest {
  task: Pick<Task, 'promptTag'>;
  /** one per sample */
  prompts: string[];
  /** what results should not look like; default: nothing */
  negativePrompt?: string;
  /** one per sample, all of the target's size */
  conditions: Condition[];
  target: Target;
  numInferenceSteps: number;
  /** 1 or less means no guidance, which halves the work */
  guidanceScale: number;
  motionScore: number;
  /** sample i starts from the noise of seed + i, whatever the batch size */
  seed: Seed;
  /** default: euler */
  solver?: SolverName;
  /** guidance is applied from the first to the second noise level, 1 = pure noise; default: all */
  guidanceRange?: readonly [number, number];
  /**
   * first-block caching: the relative change of the first block's residual, against the last full
   * pass, up to which that pass is reused; default: 0, every step is computed
   */
  cacheThreshold?: number;
  /** custom noise levels, before the schedule's shift; they determine the number of steps */
  sigmas?: readonly number[];
  /** [B, C, f, h, w], to start from instead of the seed's noise */
  latents?: Tensor;
  /** denoise one sample in tiles; `conditions` is then ignored */
  tiling?: Tiling;
  onStep?: OnStep;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/** The text encoder's output. */
export interface EncodedPrompts {
  /** [B, S, width] */
  states: Tensor;
  /** [B, S]; 1 for the prompt's tokens, then 0 for padding */
  mask: Tensor;
  /** tokens of the longest prompt: everything after them is padding */
  tokens: number;
}

/** An even number f of latent frames decodes to 4 f frames; this many of them precede the clip. */
const SURPLUS_FRAMES = 3;

/** Bytes cached for reuse while decoding, as every level of the decoder has its own tensor sizes. */
export const DECODE_CACHE = 2 ** 29;

export interface DecodeOptions {
  surplus?: boolean;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

export interface Networks {
  transformer: PipelinePart<Transformer3D>;
  autoencoder: PipelinePart<Autoencoder>;
  textEncoder: PipelinePart<T5Encoder>;
}

export class Pipeline {
  private colours: LatentColours | null = null;

  constructor(
    private readonly parts: Networks,
    readonly tokenizer: PromptTokenizer,
    readonly scheduler: SchedulerConfig,
    readonly settings: PipelineSettings,
    /** dtype of matrix products */
    readonly dtype: DType,
    /** keep only one network in memory: saves memory, but every result loads them again */
    readonly oneAtATime = false,
  ) {}

  get transformer(): Transformer3D {
    return this.parts.transformer.use();
  }

  get autoencoder(): Autoencoder {
    return this.parts.autoencoder.use();
  }

  get textEncoder(): T5Encoder {
    return this.parts.textEncoder.use();
  }

  /** Where the networks compute. */
  get device(): string {
    return this.parts.transformer.device;
  }

  /** Does the condition have a channel for depth? */
  get takesDepth(): boolean {
    return this.parts.transformer.module.config.use_depth_cond;
  }

  /** How depth enters the condition of a task, as in the pipeline's training. */
  depthRules(task: Pick<Task, 'id'>, estimate: DepthEstimator | null = null): DepthRules {
    const { usesDepth, depthTasks, depthScale: scale } = this.settings;
    const known = this.takesDepth && usesDepth && takesKnownDepth(depthTasks, task);
    return { known, scale, estimate };
  }

  /** The default settings for a task. */
  settingsFor(task: Pick<Task, 'id' | 'result'>): OwnSettings {
    return settingsFor(this.settings, task);
  }

  /** Does it sample with any number of steps, as it was distilled to? */
  get isFlowMap(): boolean {
    return isFlowMap(this.parts.transformer.module.config);
  }

  /**
   * Solvers of second order extrapolate velocities at points, and a flow map gives averages over
   * steps.
   * @throws InputError for such a solver and a flow map
   */
  expectSolver(solver: SolverName = 'euler'): void {
    if (solver === 'euler' || !this.isFlowMap) return;
    throw new InputError(
      `\`solver\`: must be euler for a pipeline that is distilled to few steps, as its steps are exact for any length already, got ${solver}; leave it out`,
      { field: 'solver' },
    );
  }

  /** The number of steps of a request that have guidance. */
  guidedSteps(
    request: Pick<
      SampleRequest,
      'numInferenceSteps' | 'guidanceScale' | 'guidanceRange' | 'sigmas'
    >,
  ): number {
    if (request.guidanceScale <= 1) return 0;
    const { sigmas } = schedule(this.scheduler, request);
    return sigmas.slice(0, -1).filter((sigma) => isWithin(sigma, request.guidanceRange)).length;
  }

  /** The end of a prompt that the text encoder does not read; see `PromptTokenizer.cutOff`. */
  cutOff(prompt: string): CutPrompt | null {
    return this.tokenizer.cutOff(prompt, this.settings.promptLength);
  }

  /** The number of a prompt's tokens that the text encoder reads, the end token among them. */
  tokensRead(prompt: string): number {
    const { mask } = this.tokenizer.encode(prompt, this.settings.promptLength);
    return mask.reduce((sum, isRead) => sum + isRead, 0);
  }

  /** Encodes prompts. The encoder sees the padding too, as in the reference. */
  encodePrompts(prompts: string[]): EncodedPrompts {
    // prompts are often repeated: the empty one in training, any one for several results
    const distinct = [...new Set(prompts)];
    const { inputIds, attentionMask } = this.tokenizer.encodeBatch(
      distinct,
      this.settings.promptLength,
    );
    const known = this.parts.textEncoder.module.config.vocab_size;
    const largest = inputIds.amax().item();
    if (largest >= known) {
      throw new InputError(
        `tokenizer: gives token ${largest}, but the text encoder knows only ${known} tokens; take both from the same pipeline`,
      );
    }
    const { device } = this;
    const states = this.textEncoder.forward(inputIds.to(device));
    const mask = attentionMask.to(device);
    const tokens = attentionMask.sum(1).amax().item();
    if (distinct.length === prompts.length) return { states, mask, tokens };
    const indices = prompts.map((prompt) => distinct.indexOf(prompt));
    const rows = tensor(indices, { dtype: 'int64', device });
    return { states: states.indexSelect(0, rows), mask: mask.indexSelect(0, rows), tokens };
  }

  /** The prompts as the transformer's blocks read them, without the padding that all of them share. */
  prepareText({ states, mask, tokens }: EncodedPrompts): PreparedText {
    return this.transformer.prepareText(states.narrow(1, 0, tokens), mask.narrow(1, 0, tokens));
  }

  /** Fits what `preview` needs, once; it needs the autoencoder, so call it before a result is begun. */
  preparePreviews(): void {
    if (this.colours) return;
    this.colours = fitColours(this.autoencoder);
    this.done(this.parts.autoencoder);
  }

  /**
   * A rough picture of what a step's latents become: the clip that they would be if the velocity were
   * the same from here on, at one pixel for each latent pixel and one frame for each latent frame.
   */
  preview({ latents, velocity, sigma }: StepState): Frames {
    if (!this.colours) throw new Error('Pipeline.preview: needs `preparePreviews` before');
    const { colours } = this;
    return noGrad(() =>
      tidy(() => coloursOf(latents.sub(velocity.to('float32').mul(sigma)).to('cpu'), colours)),
    );
  }

  /**
   * Generates frames for every prompt and condition.
   *
   * @returns [B, 3, F, H, W], roughly -1..1, float32, on the CPU; the caller disposes it
   * @throws the signal's reason soon after it aborts: after the step at the latest
   */
  async sample(request: SampleRequest): Promise<Tensor> {
    const latents = await this.denoise(request);
    try {
      const decoded = await this.decode(latents, request);
      const video = decoded.to('cpu');
      if (video !== decoded) decoded.dispose();
      return video;
    } finally {
      latents.dispose();
    }
  }

  /** @returns latents [B, C, f, h, w], float32, on the pipeline's device; the caller disposes them */
  async denoise(request: SampleRequest): Promise<Tensor> {
    const { guidanceScale, guidanceRange, onStep, onProgress, signal } = request;
    this.expectSolver(request.solver);
    const { sigmas, timesteps } = schedule(this.scheduler, request);
    const start = this.startOf(request);
    let grids: Batch[][] = [];
    try {
      const text = this.encodeText(request);
      grids = await this.prepareGrids(request, start, text);
      emptyCache();
      return await denoise(this.transformer, start, {
        sigmas,
        timesteps,
        grids,
        guidance: guidanceScale > 1 ? { scale: guidanceScale, range: guidanceRange } : null,
        solver: request.solver,
        expectNumbers: (latents, what) => this.expectNumbers(latents, this.parts.transformer, what),
        onStep,
        onProgress,
        signal,
      });
    } finally {
      start.dispose();
      disposeBatches(grids.flat());
      this.done(this.parts.transformer);
    }
  }

  /**
   * latents [B, C, f, h, w] → [B, 3, 4 (f - 1) + 1, H, W], float32; the caller disposes it
   *
   * @param surplus   keep the three frames in front that an even f decodes to
   * @throws the signal's reason soon after it aborts: after the tile at the latest
   */
  async decode(latents: Tensor, options: DecodeOptions = {}): Promise<Tensor> {
    const { surplus = false, onProgress, signal } = options;
    const { autoencoder } = this;
    const total = autoencoder.decodeSteps(latents.shape).steps;
    const scaled = noGrad(() => tidy(() => fromModelLatents(latents.to(this.device)).keep()));
    const steps = autoencoder.decodeInSteps(scaled);
    try {
      for (let done = 0; ; done++) {
        onProgress?.('frames', done, total);
        const next = withCacheLimit(DECODE_CACHE, () => noGrad(() => tidy(() => steps.next())));
        await setImmediate();
        if (next.done) {
          expectMappedWhole();
          return this.finishDecoding(next.value, latents.size(2), surplus);
        }
        signal?.throwIfAborted();
      }
    } finally {
      steps.return(undefined as never);
      scaled.dispose();
      this.done(this.parts.autoencoder);
    }
  }

  private finishDecoding(decoded: Tensor, latentFrameCount: number, surplus: boolean): Tensor {
    const first = surplus || latentFrameCount % 2 === 1 ? 0 : SURPLUS_FRAMES;
    let frames: Tensor | null = null;
    try {
      frames = noGrad(() =>
        tidy(() => {
          const kept = decoded.narrow(2, first, decoded.size(2) - first);
          const whole = kept.to('float32').contiguous();
          this.expectNumbers(whole, this.parts.autoencoder, 'the autoencoder: its frames');
          return whole.keep();
        }),
      );
      return frames;
    } finally {
      if (frames !== decoded) decoded.dispose();
    }
  }

  /**
   * Checks that a network's output is finite. Only if it is not are the weights searched, as they
   * are mapped and may be large.
   * @param what   begins the message if all weights are finite
   * @throws InputError naming the file and the tensor if a weight is broken; otherwise JobError
   */
  private expectNumbers(values: Tensor, part: PipelinePart<Module>, what: string): void {
    if (allFinite(values)) return;
    expectMappedWhole();
    const broken = part.findBroken();
    if (broken) throw new InputError(`${broken}; ${GET_ANOTHER}`);
    const wider = {
      float16: "`dtype: 'bfloat16'` or float32",
      bfloat16: "`dtype: 'float32'`",
    };
    const dtype = wider[this.dtype as keyof typeof wider];
    throw new JobError(
      `${what} left the range of ${this.dtype}, though all stored weights are numbers; take ${dtype ? `${dtype}, ` : ''}a smaller \`guidanceScale\`, or a smaller scale of \`loras\``,
    );
  }

  /** Frees what a network no longer needs once it has done its part of a result. */
  private done(part: PipelinePart<Module>): void {
    if (this.oneAtATime) part.release();
    emptyCache(); // the next one's tensors have other sizes
  }

  /** Frees the weights. */
  dispose(): void {
    for (const part of Object.values(this.parts)) part.dispose();
  }

  /** The noise to start from, [B, C, f, h, w] on the device; kept beyond the current `tidy`. */
  private startOf({ latents, target, prompts, seed }: SampleRequest): Tensor {
    return noGrad(() =>
      tidy(() => {
        const start = latents?.clone() ?? this.noise(target, prompts.length, seed);
        return start.to(this.device).keep();
      }),
    );
  }

  private noise({ width, height, numFrames }: Target, count: number, seed: Seed): Tensor {
    const { module: autoencoder } = this.parts.autoencoder;
    const { latent_channels: channels } = autoencoder.config;
    const factor = autoencoder.spatialCompression;
    const shape = [1, channels, latentFrames(numFrames), height / factor, width / factor];
    // drawn on the CPU whatever the device, so that the same seed gives the same noise
    const parts = Array.from({ length: count }, (_, i) =>
      randn(shape, { generator: new Generator(seedAfter(seed, i)) }),
    );
    return cat(parts, 0);
  }

  /** Encodes the prompts; with guidance, as many negative ones come first. The tensors are kept. */
  private encodeText(request: SampleRequest): EncodedPrompts {
    const { task, prompts, negativePrompt = '', guidanceScale, onProgress } = request;
    onProgress?.('text', 0, 1);
    const negative = guidanceScale > 1 ? prompts.map(() => negativePrompt) : [];
    const tagged = prompts.map((prompt) => taggedPrompt(prompt, task));
    const encoded = noGrad(() =>
      tidy(() => {
        const encoded = this.encodePrompts([...negative, ...tagged]);
        this.expectNumbers(encoded.states, this.parts.textEncoder, 'the text encoder: its states');
        encoded.states.keep();
        encoded.mask.keep();
        return encoded;
      }),
    );
    this.done(this.parts.textEncoder);
    return encoded;
  }

  /** Calls `prepareGrids`, and frees the text. */
  private async prepareGrids(
    request: SampleRequest,
    latents: Tensor,
    text: EncodedPrompts,
  ): Promise<Batch[][]> {
    const { conditions, tiling, guidanceScale, guidanceRange } = request;
    const { motionScore, cacheThreshold = 0, onProgress, signal } = request;
    try {
      return await prepareGrids(this.transformer, latents, {
        textOf: (count) => this.prepareText(count === null ? text : repeated(text, count)),
        given: tiling
          ? { tiling, spatialCompression: this.parts.autoencoder.module.spatialCompression }
          : { conditions },
        guided: guidanceScale > 1,
        someUnguided: guidanceRange !== undefined,
        motionScore,
        cacheThreshold,
        onProgress,
        signal,
      });
    } finally {
      text.states.dispose();
      text.mask.dispose();
    }
  }
}

/** Repeats each row of one sample, negative and positive, `count` times. */
function repeated({ states, mask, tokens }: EncodedPrompts, count: number): EncodedPrompts {
  const indices = Array.from({ length: states.size(0) * count }, (_, i) => Math.floor(i / count));
  const rows = tensor(indices, { dtype: 'int64', device: states.device });
  return { states: states.indexSelect(0, rows), mask: mask.indexSelect(0, rows), tokens };
}
