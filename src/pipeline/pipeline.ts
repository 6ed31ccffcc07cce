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
import type { Autoencoder } from '../models/autoencoder/index.js';
import type { PromptTokenizer, T5Encoder } from '../models/t5/index.js';
import type { ForwardInputs, Transformer3D } from '../models/transformer/index.js';
import { type Condition, type Target, type Task, taggedPrompt } from '../tasks/index.js';
import { cat, full, Generator, noGrad, randn, type Tensor, tidy } from '../tensor/index.js';
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
  seed: number;
  /** default: euler */
  solver?: SolverName;
  /** guidance is applied from the first to the second noise level, 1 = pure noise; default: all */
  guidanceRange?: readonly [number, number];
  /** own noise levels, before the schedule's shift; they decide the number of steps */
  sigmas?: readonly number[];
  /** [B, C, f, h, w] to start from, in place of the seed's noise */
  latents?: Tensor;
  onStep?: (step: number, total: number, state: StepState) => void;
  signal?: AbortSignal;
}

/** What a step came to, while `onStep` runs; all [B, C, f, h, w], float32. */
export interface StepState {
  /** after guidance */
  velocity: Tensor;
  /** after the step */
  latents: Tensor;
}

/** An even number of latent frames decodes to 4 f frames; these of them precede the clip. */
const SURPLUS_FRAMES = 3;

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

  /** Has its condition a channel for depth? */
  get takesDepth(): boolean {
    return this.parts.transformer.module.config.use_depth_cond;
  }

  /** What a task is used with unless something else is asked for. */
  settingsFor(task: Pick<Task, 'id' | 'result'>): OwnSettings {
    return settingsFor(this.settings, task);
  }

  /** Prompts → text states [B, S, width] and mask [B, S]; the encoder sees the padding, as in the reference. */
  encodePrompts(prompts: string[]): { states: Tensor; mask: Tensor } {
    const { inputIds, attentionMask } = this.tokenizer.encodeBatch(
      prompts,
      this.settings.promptLength,
    );
    return { states: this.textEncoder.forward(inputIds), mask: attentionMask };
  }

  /**
   * Frames for every prompt and condition.
   *
   * @returns [B, 3, F, H, W] about -1..1, float32; the caller disposes it
   * @throws the signal's reason when it aborts, within a step
   */
  async sample(request: SampleRequest): Promise<Tensor> {
    const latents = await this.denoise(request);
    try {
      return this.decode(latents);
    } finally {
      latents.dispose();
    }
  }

  /** @returns latents [B, C, f, h, w], float32; the caller disposes them */
  async denoise(request: SampleRequest): Promise<Tensor> {
    const { prompts, target, numInferenceSteps, guidanceScale, seed, signal, onStep } = request;
    const guided = guidanceScale > 1;
    const { sigmas, timesteps } = schedule(this.scheduler, {
      numInferenceSteps,
      sigmas: request.sigmas,
    });
    let latents = noGrad(() =>
      tidy(() => (request.latents?.clone() ?? this.noise(target, prompts.length, seed)).keep()),
    );
    const inputs = noGrad(() => tidy(() => this.prepare(request, latents, guided)));
    const { transformer } = this;
    const solver = solverOf(request.solver ?? 'euler');
    try {
      for (let i = 0; i < timesteps.length; i++) {
        signal?.throwIfAborted();
        const sigmaStep = { from: sigmas[i]!, to: sigmas[i + 1]! };
        const next = noGrad(() =>
          tidy(() => {
            const both = guided && within(sigmaStep.from, request.guidanceRange);
            const rows = both ? cat([latents, latents], 0) : latents;
            const velocity = transformer.forward(rows, {
              ...(guided && !both ? inputs.promptOnly! : inputs.all),
              timesteps: full([rows.size(0)], timesteps[i]!),
            });
            const guidedVelocity = both ? guideBatch(velocity, guidanceScale) : velocity;
            const moved = solver.step(latents, guidedVelocity, sigmaStep).keep();
            onStep?.(i + 1, timesteps.length, { velocity: guidedVelocity, latents: moved });
            return moved;
          }),
        );
        latents.dispose();
        latents = next;
        await setImmediate();
      }
      return latents;
    } catch (error) {
      latents.dispose();
      throw error;
    } finally {
      solver.dispose();
      release(inputs);
      if (this.oneAtATime) this.parts.transformer.release();
    }
  }

  /**
   * latents [B, C, f, h, w] → [B, 3, 4 (f - 1) + 1, H, W], float32; the caller disposes it
   *
   * @param surplus   keep the three frames in front that an even f decodes to
   */
  decode(latents: Tensor, { surplus = false } = {}): Tensor {
    const { autoencoder } = this;
    const decoded = noGrad(() =>
      tidy(() => {
        const video = autoencoder.decode(fromModelLatents(latents)).to('float32');
        const first = surplus || latents.size(2) % 2 === 1 ? 0 : SURPLUS_FRAMES;
        return video
          .narrow(2, first, video.size(2) - first)
          .contiguous()
          .keep();
      }),
    );
    if (this.oneAtATime) this.parts.autoencoder.release();
    return decoded;
  }

  /** Frees the weights. */
  dispose(): void {
    for (const part of Object.values(this.parts)) part.dispose();
  }

  private noise({ width, height, numFrames }: Target, count: number, seed: number): Tensor {
    const { module: autoencoder } = this.parts.autoencoder;
    const { latent_channels: channels } = autoencoder.config;
    const factor = autoencoder.spatialCompression;
    const shape = [1, channels, latentFrames(numFrames), height / factor, width / factor];
    const parts = Array.from({ length: count }, (_, i) =>
      randn(shape, { generator: new Generator(seed + i) }),
    );
    return cat(parts, 0);
  }

  /** What stays the same over the steps, kept until `release`. Rows: all negative, then all positive. */
  private prepare(request: SampleRequest, latents: Tensor, guided: boolean): Inputs {
    const { task, prompts, negativePrompt = '', conditions, motionScore } = request;
    const tagged = prompts.map((prompt) => taggedPrompt(prompt, task));
    const negative = guided ? prompts.map(() => negativePrompt) : [];
    const { states, mask } = this.encodePrompts([...negative, ...tagged]);
    if (this.oneAtATime) this.parts.textEncoder.release();

    const { transformer } = this;
    const stack = (part: keyof Condition) => cat(conditions.map((c) => c[part]));
    const [pixels, depth, known] = [stack('pixels'), stack('depth'), stack('mask')];
    const channels = (d: Tensor) =>
      transformer.config.use_depth_cond ? cat([pixels, d], 1) : pixels;
    // the negative rows keep pixels and mask, but lose the depth
    const condition = guided
      ? cat([
          transformer.prepareCondition(channels(depth.zerosLike()), known),
          transformer.prepareCondition(channels(depth), known),
        ])
      : transformer.prepareCondition(channels(depth), known);

    const all = {
      text: transformer.prepareText(states, mask),
      condition,
      rope: transformer.prepareRope(latents),
      motionScores: full([states.size(0)], motionScore),
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
