/**
 * A pipeline: text encoder, transformer, autoencoder and schedule, and the way from a prompt and a
 * condition to frames.
 */
import { setImmediate } from 'node:timers/promises';
import {
  guideBatch,
  type SchedulerConfig,
  type SolverName,
  schedule,
  solverOf,
} from '../diffusion/index.js';
import { InputError, JobError } from '../errors.js';
import type { Autoencoder } from '../models/autoencoder/index.js';
import type { CutPrompt, PromptTokenizer, T5Encoder } from '../models/t5/index.js';
import {
  type ForwardInputs,
  type PreparedText,
  StepCache,
  type Transformer3D,
} from '../models/transformer/index.js';
import { allFinite, GET_ANOTHER, type Module } from '../nn/index.js';
import { type Seed, seedAfter } from '../seed.js';
import { type Condition, type Target, type Task, taggedPrompt } from '../tasks/index.js';
import {
  cat,
  type DType,
  emptyCache,
  expectMappedWhole,
  full,
  Generator,
  noGrad,
  randn,
  type Tensor,
  tensor,
  tidy,
  waitFor,
  withCacheLimit,
} from '../tensor/index.js';
import { fromModelLatents, latentFrames } from './latents.js';
import type { PipelinePart } from './part.js';
import { type OwnSettings, type PipelineSettings, settingsFor } from './settings.js';

export interface SampleRequest {
  task: Pick<Task, 'promptTag'>;
  /** one per sample */
  prompts: string[];
  /** what to stay away from; default: nothing */
  negativePrompt?: string;
  /** one per sample, all of the target's size */
  conditions: Condition[];
  target: Target;
  numInferenceSteps: number;
  /** 1 or less is no guidance, and half the work */
  guidanceScale: number;
  motionScore: number;
  /** sample i starts from the noise of seed + i, whatever the batch */
  seed: Seed;
  /** default: euler */
  solver?: SolverName;
  /** guidance is applied from the first to the second noise level, 1 = pure noise; default: all */
  guidanceRange?: readonly [number, number];
  /**
   * first-block caching: how much a step's first block may differ from the last whole pass, as a
   * part of it, for that pass to be used again; default: 0, every step is computed
   */
  cacheThreshold?: number;
  /** own noise levels, before the schedule's shift; they decide the number of steps */
  sigmas?: readonly number[];
  /** [B, C, f, h, w] to start from, in place of the seed's noise */
  latents?: Tensor;
  onStep?: (step: number, total: number, state: StepState) => void;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/** What the text encoder makes of prompts. */
export interface EncodedPrompts {
  /** [B, S, width] */
  states: Tensor;
  /** [B, S]; 1 = the prompt's own, then 0 = padding */
  mask: Tensor;
  /** the most that a prompt has: from there on all is padding */
  tokens: number;
}

/** What a result is made in, in this order. */
export type Phase = 'text' | 'condition' | 'steps' | 'frames';
/** Called when a phase begins (0 done) and whenever a part of it is done. */
export type OnProgress = (phase: Phase, done: number, total: number) => void;

/** What a step came to, while `onStep` runs; all [B, C, f, h, w], float32. */
export interface StepState {
  /** after guidance */
  velocity: Tensor;
  /** after the step */
  latents: Tensor;
  /** most of the velocity is the last whole pass's; see `cacheThreshold` */
  reused: boolean;
}

/** An even number of latent frames decodes to 4 f frames; these of them precede the clip. */
const SURPLUS_FRAMES = 3;

/** Bytes held for reuse while decoding, where every level has tensors of its own sizes. */
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
  constructor(
    private readonly parts: Networks,
    readonly tokenizer: PromptTokenizer,
    readonly scheduler: SchedulerConfig,
    readonly settings: PipelineSettings,
    /** what matrix products compute in */
    readonly dtype: DType,
    /** only one network is in memory at a time: less memory, and each result opens them again */
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

  /** Has its condition a channel for depth? */
  get takesDepth(): boolean {
    return this.parts.transformer.module.config.use_depth_cond;
  }

  /** What a task is used with unless something else is asked for. */
  settingsFor(task: Pick<Task, 'id' | 'result'>): OwnSettings {
    return settingsFor(this.settings, task);
  }

  /** How many steps of a request have guidance. */
  guidedSteps(
    request: Pick<
      SampleRequest,
      'numInferenceSteps' | 'guidanceScale' | 'guidanceRange' | 'sigmas'
    >,
  ): number {
    if (request.guidanceScale <= 1) return 0;
    const { sigmas } = schedule(this.scheduler, request);
    return sigmas.slice(0, -1).filter((sigma) => within(sigma, request.guidanceRange)).length;
  }

  /** What of a prompt, as it is given to the text encoder, is left out; see `PromptTokenizer.cutOff`. */
  cutOff(prompt: string): CutPrompt | null {
    return this.tokenizer.cutOff(prompt, this.settings.promptLength);
  }

  /** The encoder sees the padding too, as in the reference. */
  encodePrompts(prompts: string[]): EncodedPrompts {
    // the same prompt often comes many times: nothing, in training, and with several results
    const distinct = [...new Set(prompts)];
    const { inputIds, attentionMask } = this.tokenizer.encodeBatch(
      distinct,
      this.settings.promptLength,
    );
    const known = this.parts.textEncoder.module.config.vocab_size;
    const largest = inputIds.amax().item();
    if (largest >= known) {
      throw new InputError(
        `tokenizer: gives token ${largest}, and the text encoder knows ${known}; take both from the same pipeline`,
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

  /** The prompts as the transformer's blocks read them, without what is padding in all of them. */
  prepareText({ states, mask, tokens }: EncodedPrompts): PreparedText {
    return this.transformer.prepareText(states.narrow(1, 0, tokens), mask.narrow(1, 0, tokens));
  }

  /**
   * Frames for every prompt and condition.
   *
   * @returns [B, 3, F, H, W] about -1..1, float32, on the CPU; the caller disposes it
   * @throws the signal's reason when it aborts, within a step
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
    const { prompts, target, numInferenceSteps, guidanceScale, seed, signal } = request;
    const { onStep, onProgress, cacheThreshold = 0 } = request;
    const guided = guidanceScale > 1;
    const { sigmas, timesteps } = schedule(this.scheduler, {
      numInferenceSteps,
      sigmas: request.sigmas,
    });
    let latents = noGrad(() =>
      tidy(() => {
        const start = request.latents?.clone() ?? this.noise(target, prompts.length, seed);
        return start.to(this.device).keep();
      }),
    );
    let inputs: Inputs;
    try {
      inputs = noGrad(() => tidy(() => this.prepare(request, latents, guided)));
    } catch (error) {
      latents.dispose();
      throw error;
    }
    emptyCache();
    const { transformer } = this;
    const solver = solverOf(request.solver ?? 'euler');
    const stepCache = cacheThreshold > 0 ? new StepCache(cacheThreshold) : null;
    try {
      onProgress?.('steps', 0, timesteps.length);
      for (let i = 0; i < timesteps.length; i++) {
        signal?.throwIfAborted();
        const sigmaStep = { from: sigmas[i]!, to: sigmas[i + 1]! };
        const next = noGrad(() =>
          tidy(() => {
            const both = guided && within(sigmaStep.from, request.guidanceRange);
            const rows = both ? cat([latents, latents], 0) : latents;
            const reusedBefore = stepCache?.counts.reused;
            const velocity = transformer.forward(rows, {
              ...(guided && !both ? inputs.promptOnly! : inputs.all),
              timesteps: full([rows.size(0)], timesteps[i]!, { device: this.device }),
              stepCache,
            });
            const guidedVelocity = both ? guideBatch(velocity, guidanceScale) : velocity;
            const moved = solver.step(latents, guidedVelocity, sigmaStep);
            waitFor(moved);
            const what = `step ${i + 1} of ${timesteps.length}: the latents`;
            this.expectNumbers(moved, this.parts.transformer, what);
            const reused = stepCache?.counts.reused !== reusedBefore;
            const state = { velocity: guidedVelocity, latents: moved, reused };
            onStep?.(i + 1, timesteps.length, state);
            return moved.keep();
          }),
        );
        latents.dispose();
        latents = next;
        onProgress?.('steps', i + 1, timesteps.length);
        await setImmediate();
      }
      expectMappedWhole();
      return latents;
    } catch (error) {
      latents.dispose();
      throw error;
    } finally {
      solver.dispose();
      stepCache?.dispose();
      release(inputs);
      this.done(this.parts.transformer);
    }
  }

  /**
   * latents [B, C, f, h, w] → [B, 3, 4 (f - 1) + 1, H, W], float32; the caller disposes it
   *
   * @param surplus   keep the three frames in front that an even f decodes to
   * @throws the signal's reason when it aborts, within a tile
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
   * What a network made is numbers. Weights are looked at only where it is not, as they are mapped
   * and may be many.
   * @param what   starts the message where all weights are numbers
   * @throws InputError naming the file and the tensor that is broken; else JobError
   */
  private expectNumbers(values: Tensor, part: PipelinePart<Module>, what: string): void {
    if (allFinite(values)) return;
    expectMappedWhole();
    const broken = part.findBroken();
    if (broken) throw new InputError(`${broken}; ${GET_ANOTHER}`);
    const wider = { float16: '--dtype bfloat16 or float32', bfloat16: '--dtype float32' };
    const dtype = wider[this.dtype as keyof typeof wider];
    throw new JobError(
      `${what} left the range of ${this.dtype}, though all stored weights are numbers; take ${dtype ? `${dtype}, ` : ''}a smaller --guidance, or a smaller scale of --lora`,
    );
  }

  /** A network has done its part of a result. */
  private done(part: PipelinePart<Module>): void {
    if (this.oneAtATime) part.release();
    emptyCache(); // the next one's tensors have other sizes
  }

  /** Frees the weights. */
  dispose(): void {
    for (const part of Object.values(this.parts)) part.dispose();
  }

  private noise({ width, height, numFrames }: Target, count: number, seed: Seed): Tensor {
    const { module: autoencoder } = this.parts.autoencoder;
    const { latent_channels: channels } = autoencoder.config;
    const factor = autoencoder.spatialCompression;
    const shape = [1, channels, latentFrames(numFrames), height / factor, width / factor];
    // drawn on the CPU whatever the device: the same seed, the same noise
    const parts = Array.from({ length: count }, (_, i) =>
      randn(shape, { generator: new Generator(seedAfter(seed, i)) }),
    );
    return cat(parts, 0);
  }

  /** What stays the same over the steps, on the device, kept until `release`. Rows: all negative, then all positive. */
  private prepare(request: SampleRequest, latents: Tensor, guided: boolean): Inputs {
    const { task, prompts, negativePrompt = '', conditions, motionScore, onProgress } = request;
    const tagged = prompts.map((prompt) => taggedPrompt(prompt, task));
    const negative = guided ? prompts.map(() => negativePrompt) : [];
    onProgress?.('text', 0, 1);
    const encoded = this.encodePrompts([...negative, ...tagged]);
    this.expectNumbers(encoded.states, this.parts.textEncoder, 'the text encoder: its states');
    this.done(this.parts.textEncoder);

    onProgress?.('condition', 0, 1);
    const { transformer } = this;
    const stack = (part: keyof Condition) => cat(conditions.map((c) => c[part])).to(this.device);
    const [pixels, depth, known] = [stack('pixels'), stack('depth'), stack('mask')];
    const channels = (d: Tensor) =>
      transformer.config.use_depth_cond ? cat([pixels, d], 1) : pixels;
    const adapted = transformer.prepareCondition(channels(depth), known); // [B, L, D]
    // the negative rows keep pixels and mask, but lose the depth
    const hasDepth = conditions.some((given) => given.depth.abs().sum().item() > 0);
    const negativeAdapted = () =>
      hasDepth && transformer.config.use_depth_cond
        ? transformer.prepareCondition(channels(depth.zerosLike()), known)
        : adapted;
    const condition = guided ? cat([negativeAdapted(), adapted]) : adapted;

    const all = {
      text: this.prepareText(encoded),
      condition,
      rope: transformer.prepareRope(latents),
      motionScores: full([encoded.states.size(0)], motionScore, { device: this.device }),
    };
    const promptOnly = guided && request.guidanceRange ? secondHalf(all, prompts.length) : null;
    eachTensor({ all, promptOnly }, (tensor) => tensor.keep());
    return { all, promptOnly };
  }
}

/** What stays the same over the steps. */
interface Inputs {
  /** of the rows that are computed: with guidance, negative and positive ones */
  all: Omit<ForwardInputs, 'timesteps'>;
  /** of the positive rows, for steps without guidance; null where there are none */
  promptOnly: Omit<ForwardInputs, 'timesteps'> | null;
}

/** The last `count` rows of everything that has twice as many. */
function secondHalf<T>(value: T, count: number): T {
  if (value === null || typeof value !== 'object') return value;
  if ('handle' in value) {
    const tensor = value as unknown as Tensor;
    const halved = tensor.size(0) === 2 * count ? tensor.narrow(0, count, count) : tensor.clone();
    return halved as T;
  }
  const parts = Object.entries(value).map(([key, part]) => [key, secondHalf(part, count)]);
  return (Array.isArray(value) ? parts.map(([, part]) => part) : Object.fromEntries(parts)) as T;
}

const within = (sigma: number, [first, last]: readonly [number, number] = [1, 0]): boolean =>
  sigma <= first && sigma >= last;

function release(inputs: object): void {
  eachTensor(inputs, (tensor) => tensor.dispose());
}

function eachTensor(value: unknown, visit: (tensor: Tensor) => void): void {
  if (value === null || typeof value !== 'object') return;
  if ('handle' in value) visit(value as Tensor);
  else for (const item of Object.values(value)) eachTensor(item, visit);
}
