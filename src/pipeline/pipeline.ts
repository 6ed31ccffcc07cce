/**
 * A pipeline: text encoder, transformer, autoencoder and schedule, and the way from a prompt and a
 * condition to frames.
 */
import { setImmediate } from 'node:timers/promises';
import { type SchedulerConfig, type SolverName, schedule, solverOf } from '../diffusion/index.js';
import { InputError, JobError } from '../errors.js';
import type { Autoencoder } from '../models/autoencoder/index.js';
import { latentFrames } from '../models/latent-grid.js';
import type { CutPrompt, PromptTokenizer, T5Encoder } from '../models/t5/index.js';
import { type PreparedText, StepCache, type Transformer3D } from '../models/transformer/index.js';
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
import { type Batch, disposeBatches, keptInputs, type StepInputs, velocityOf } from './batches.js';
import { batchesOf, cutLatents, latentTiles, type Tile, type Tiling } from './generate/tiles.js';
import { fromModelLatents } from './latents.js';
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
  /** one sample that is denoised in tiles; `conditions` are then not looked at */
  tiling?: Tiling;
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
    const { onStep, onProgress } = request;
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
    let grids: Batch[][] = [];
    const solver = solverOf(request.solver ?? 'euler');
    try {
      grids = await this.prepare(request, latents);
      emptyCache();
      onProgress?.('steps', 0, timesteps.length);
      for (let i = 0; i < timesteps.length; i++) {
        signal?.throwIfAborted();
        const sigmaStep = { from: sigmas[i]!, to: sigmas[i + 1]! };
        const guideNow = guided && within(sigmaStep.from, request.guidanceRange);
        const batches = grids[i % grids.length]!;
        const { velocity, reused } = await velocityOf(this.transformer, batches, latents, {
          timestep: timesteps[i]!,
          guidance: guided ? { scale: guidanceScale, now: guideNow } : null,
          signal,
        });
        try {
          const next = noGrad(() => tidy(() => solver.step(latents, velocity, sigmaStep).keep()));
          latents.dispose();
          latents = next;
          waitFor(latents);
          const what = `step ${i + 1} of ${timesteps.length}: the latents`;
          this.expectNumbers(latents, this.parts.transformer, what);
          const state = { velocity, latents, reused };
          noGrad(() => tidy(() => onStep?.(i + 1, timesteps.length, state)));
        } finally {
          velocity.dispose();
        }
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
      disposeBatches(grids.flat());
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

  /**
   * What stays the same over the steps, on the device, until it is disposed: one batch, or those of
   * each grid of tiles. Rows: all negative, then all positive.
   */
  private async prepare(request: SampleRequest, latents: Tensor): Promise<Batch[][]> {
    const { tiling, onProgress, signal } = request;
    onProgress?.('text', 0, 1);
    const text = noGrad(() => tidy(() => this.encodeBoth(request)));
    this.done(this.parts.textEncoder);

    const grids = tiling ? batchesOf(tiling) : [[null]];
    const total = grids.flat().length;
    const prepared: Batch[][] = grids.map(() => []);
    const rows = new Map<number, RowInputs>(); // batches of one size share them
    try {
      for (const [i, places] of grids.flatMap((batches, i) =>
        batches.map((b) => [i, b] as const),
      )) {
        signal?.throwIfAborted();
        onProgress?.('condition', prepared.flat().length, total);
        const batch = noGrad(() =>
          tidy(() => this.batchOf(request, latents, { text, rows, places })),
        );
        prepared[i]!.push(batch);
        await setImmediate();
      }
      return prepared;
    } catch (error) {
      disposeBatches(prepared.flat());
      throw error;
    } finally {
      text.states.dispose();
      text.mask.dispose();
    }
  }

  /** Prompts, with guidance after as many negative ones; kept. */
  private encodeBoth({ task, prompts, negativePrompt = '', guidanceScale }: SampleRequest) {
    const negative = guidanceScale > 1 ? prompts.map(() => negativePrompt) : [];
    const tagged = prompts.map((prompt) => taggedPrompt(prompt, task));
    const encoded = this.encodePrompts([...negative, ...tagged]);
    this.expectNumbers(encoded.states, this.parts.textEncoder, 'the text encoder: its states');
    encoded.states.keep();
    encoded.mask.keep();
    return encoded;
  }

  private batchOf(
    request: SampleRequest,
    latents: Tensor,
    { text, rows, places }: BatchParts,
  ): Batch {
    const { tiling, guidanceScale, guidanceRange, cacheThreshold = 0 } = request;
    const guided = guidanceScale > 1;
    const { spatialCompression } = this.parts.autoencoder.module;
    const tiles = places && tiling ? latentTiles(places, tiling.tile, spatialCompression) : null;
    const count = places?.length ?? request.conditions.length;
    const own = rows.get(count) ?? {
      text: this.prepareText(places ? repeated(text, count) : text),
      rope: this.transformer.prepareRope(tiles ? cutLatents(latents, tiles[0]!) : latents),
      motionScores: full([guided ? 2 * count : count], request.motionScore, {
        device: this.device,
      }),
    };
    rows.set(count, own);
    const condition = tidy(() => {
      const given = places && tiling ? places.map(tiling.conditionOf) : request.conditions;
      return this.adapted(given, guided);
    });
    return {
      inputs: keptInputs({ ...own, condition }, guided && guidanceRange !== undefined),
      stepCache: cacheThreshold > 0 ? new StepCache(cacheThreshold) : null,
      tiles,
    };
  }

  /** Conditions as tokens, [B, L, D]. */
  private adapted(conditions: readonly Condition[], guided: boolean): Tensor {
    const { transformer } = this;
    const stack = (part: keyof Condition) => cat(conditions.map((c) => c[part])).to(this.device);
    const [pixels, depth, known] = [stack('pixels'), stack('depth'), stack('mask')];
    const channels = (d: Tensor) =>
      transformer.config.use_depth_cond ? cat([pixels, d], 1) : pixels;
    const adapted = transformer.prepareCondition(channels(depth), known);
    if (!guided) return adapted;
    // the negative rows keep pixels and mask, but lose the depth
    const hasDepth = conditions.some((given) => given.depth.abs().sum().item() > 0);
    const negative =
      hasDepth && transformer.config.use_depth_cond
        ? transformer.prepareCondition(channels(depth.zerosLike()), known)
        : adapted;
    return cat([negative, adapted]);
  }
}

/** What does not depend on what is given. */
type RowInputs = Omit<StepInputs['all'], 'condition'>;

interface BatchParts {
  text: EncodedPrompts;
  /** by the number of samples */
  rows: Map<number, RowInputs>;
  /** of the tiles that are made together; null: samples are made in one piece */
  places: readonly Tile[] | null;
}

/** The rows of one sample, negative and positive, `count` times each. */
function repeated({ states, mask, tokens }: EncodedPrompts, count: number): EncodedPrompts {
  const indices = Array.from({ length: states.size(0) * count }, (_, i) => Math.floor(i / count));
  const rows = tensor(indices, { dtype: 'int64', device: states.device });
  return { states: states.indexSelect(0, rows), mask: mask.indexSelect(0, rows), tokens };
}

const within = (sigma: number, [first, last]: readonly [number, number] = [1, 0]): boolean =>
  sigma <= first && sigma >= last;
