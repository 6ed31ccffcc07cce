/** Generates one window of a result, in one piece or in tiles. */
import { customSigmas, type SolverName } from '../../diffusion/index.js';
import { short } from '../../files/read-json.js';
import { type Frames, tensorToFrames } from '../../media/index.js';
import { tokensOf } from '../../models/latent-grid.js';
import { lowBits, type Seed, seedAfter } from '../../seed.js';
import {
  type Condition,
  type ConditionInputs,
  conditionOf,
  type DepthEstimator,
  type DepthRules,
  type Target,
  type Task,
  taggedPrompt,
} from '../../tasks/index.js';
import { type Tensor, tidy } from '../../tensor/index.js';
import type { OnStep } from '../denoise.js';
import type { Pipeline, SampleRequest } from '../pipeline.js';
import type { OnProgress } from '../progress.js';
import { withNoise } from './augment.js';
import type { Prepared } from './prepare.js';
import { givesKnownDepth, type UserRequest } from './request.js';
import { givenOfTile, sizedGiven, type Tiling, tileGrids } from './tiles.js';
import type { Window } from './windows.js';

export interface SamplingRequest {
  prompt: string;
  task: Task;
  seed: Seed;
  /** estimates the depth of known frames; default: none, they have no depth */
  estimateDepth?: DepthEstimator | null;
  /** depth maps and known parts that the user gives, if any */
  depth?: UserRequest['depth'];
  known?: UserRequest['known'];
  /** defaults: the pipeline's settings */
  addedPrompt?: string;
  negativePrompt?: string;
  numInferenceSteps?: number;
  guidanceScale?: number;
  motionScore?: number;
  solver?: SolverName;
  /** use the reference's other noise levels, which are denser at high noise; see `customSigmas` */
  useTSchedule?: boolean;
  /** see `SampleRequest` */
  guidanceRange?: readonly [number, number];
  cacheThreshold?: number;
  /** strength of the noise added to the condition, 0..1; default: 0; see `withNoise` */
  noiseAugStrength?: number;
  onStep?: OnStep;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

export interface WindowWork {
  window: Window;
  index: number;
}

/** Generates the frames of a window, at the size in `made`. */
export async function makeWindow(
  pipeline: Pipeline,
  request: SamplingRequest,
  { made, tile }: Prepared,
  { window, index }: WindowWork,
): Promise<Frames> {
  const { task, given, numFrames } = window;
  // a window's tiles use consecutive seeds, which no other window uses
  const seed = lowBits(seedAfter(request.seed, index * SEEDS_OF_WINDOW));
  if (!tile) {
    const target = { ...made, numFrames };
    const [frames] = await makeSamples(pipeline, request, { task, target, seed, givens: [given] });
    return frames!;
  }
  const whole = sizedGiven(given, made);
  const target = { ...tile, numFrames };
  const { noiseAugStrength: strength = 0 } = request;
  const rules = depthRulesOf(pipeline, request);
  const tiling: Tiling = {
    tile,
    grids: tileGrids(made, tile),
    samples: samplesAtOnce(target),
    conditionOf(place) {
      const condition = conditionOf(givenOfTile(whole, place, tile), target, rules);
      if (strength === 0) return condition;
      return withNoise(condition, { strength, seed: seed + place.top * made.width + place.left });
    },
  };
  const canvas = { ...made, numFrames };
  const video = await pipeline.sample(
    sampleRequestOf(pipeline, request, { task, target: canvas, seed, conditions: [], tiling }),
  );
  const frames = tidy(() => tensorToFrames(video));
  video.dispose();
  return frames;
}

/** As in the pipeline's training; depth that the user gives is used in any case. */
function depthRulesOf(pipeline: Pipeline, request: SamplingRequest): DepthRules {
  const { task, estimateDepth = null } = request;
  const rules = pipeline.depthRules(task, estimateDepth);
  return { ...rules, known: rules.known || givesKnownDepth(task, request) };
}

/** Distance between the seeds of two windows: more than a window has tiles. */
const SEEDS_OF_WINDOW = 100_003;

/** Tokens per batch, where there is a choice: enough to keep a processor busy. */
const TOKENS_AT_ONCE = 2048;

export function samplesAtOnce(target: Target): number {
  return Math.max(1, Math.floor(TOKENS_AT_ONCE / tokensOf(target)));
}

interface SampleWork {
  task: Task;
  target: Target;
  seed: Seed;
  givens: ConditionInputs[];
}

/** The same work, with its conditions prepared or in tiles. */
interface ConditionWork extends Omit<SampleWork, 'givens'> {
  conditions: Condition[];
  tiling?: Tiling;
}

/** Generates samples of one size in one batch. */
async function makeSamples(
  pipeline: Pipeline,
  request: SamplingRequest,
  { task, target, seed, givens }: SampleWork,
): Promise<Frames[]> {
  const rules = depthRulesOf(pipeline, request);
  const conditions = givens.map((given) => conditionOf(given, target, rules));
  const made = await sampleConditions(pipeline, request, { task, target, seed, conditions });
  const frames = givens.map((_, i) => tidy(() => tensorToFrames(made.narrow(0, i, 1))));
  made.dispose();
  return frames;
}

/** The prompts and guidance of a request, with the pipeline's defaults. */
function wordsOf(pipeline: Pipeline, request: SamplingRequest) {
  const settings = pipeline.settingsFor(request.task);
  const added = request.addedPrompt ?? settings.addedPrompt;
  return {
    prompt: [request.prompt, added].filter(Boolean).join(' '),
    negativePrompt: request.negativePrompt ?? settings.negativePrompt,
    guidanceScale: request.guidanceScale ?? settings.guidanceScale,
  };
}

/** The prompt as the text encoder is given it: with the added words, and with its task's tag. */
export const promptAsRead = (pipeline: Pipeline, request: SamplingRequest): string =>
  taggedPrompt(wordsOf(pipeline, request).prompt, request.task);

/** Sentences about what a request's prompts and guidance will not do as may be expected. */
export function promptNotes(pipeline: Pipeline, request: SamplingRequest): string[] {
  const { guidanceScale } = wordsOf(pipeline, request);
  const twice =
    pipeline.isFlowMap && guidanceScale > 1
      ? [
          `\`guidanceScale\` ${guidanceScale} comes on top of the guidance that was distilled into the pipeline's weights, and takes twice the time; 1 is what it was made for`,
        ]
      : [];
  return [...twice, ...unguided(request, guidanceScale), ...cutPrompts(pipeline, request)];
}

/** One sentence for each part of a request that only works with guidance, if there is none. */
function unguided(
  { negativePrompt, guidanceRange }: SamplingRequest,
  guidanceScale: number,
): string[] {
  if (guidanceScale > 1) return [];
  return [negativePrompt && 'a negative prompt', guidanceRange && 'a range of guidance']
    .filter(Boolean)
    .map(
      (what) =>
        `${what} has no effect at \`guidanceScale\` ${guidanceScale}; raise it above 1, or leave that out`,
    );
}

/** One sentence for each prompt of a request that is longer than the text encoder reads. */
function cutPrompts(pipeline: Pipeline, request: SamplingRequest): string[] {
  const { negativePrompt, guidanceScale } = wordsOf(pipeline, request);
  const prompts = [['the prompt', promptAsRead(pipeline, request)]];
  // without guidance the negative prompt is not read at all
  if (guidanceScale > 1) prompts.push(['the negative prompt', negativePrompt]);
  return prompts.flatMap(([what, text]) => {
    const cut = pipeline.cutOff(text!);
    if (!cut) return [];
    const { tokens, read, leftOut } = cut;
    const tag = what === 'the prompt' ? " with its task's tag" : '';
    return [`${what} has ${tokens} tokens${tag}, ${read} are read; left out: "${short(leftOut)}"`];
  });
}

/** Samples for the conditions, and disposes them; → [B, 3, F, H, W] */
export async function sampleConditions(
  pipeline: Pipeline,
  request: SamplingRequest,
  { task, target, seed, conditions }: ConditionWork,
): Promise<Tensor> {
  const { noiseAugStrength: strength = 0 } = request;
  const seen =
    strength > 0
      ? conditions.map((condition, i) =>
          withNoise(condition, { strength, seed: seedAfter(seed, i) }),
        )
      : conditions;
  try {
    return await pipeline.sample(
      sampleRequestOf(pipeline, request, { task, target, seed, conditions: seen }),
    );
  } finally {
    for (const { pixels, depth, mask } of new Set([...conditions, ...seen])) {
      for (const tensor of [pixels, depth, mask]) tensor.dispose();
    }
  }
}

/** The pipeline's request, with its own settings where the user's request has none. */
function sampleRequestOf(
  pipeline: Pipeline,
  request: SamplingRequest,
  { task, target, seed, conditions, tiling }: ConditionWork,
): SampleRequest {
  const { onStep, onProgress, signal } = request;
  const settings = pipeline.settingsFor(request.task);
  const { prompt, negativePrompt, guidanceScale } = wordsOf(pipeline, request);
  return {
    task,
    prompts: tiling ? [prompt] : conditions.map(() => prompt),
    negativePrompt,
    conditions,
    tiling,
    target,
    numInferenceSteps: request.numInferenceSteps ?? settings.numInferenceSteps,
    sigmas: ownSigmas(request, settings),
    guidanceScale,
    motionScore: request.motionScore ?? settings.motionScore,
    solver: request.solver,
    guidanceRange: request.guidanceRange,
    cacheThreshold: request.cacheThreshold,
    seed,
    onStep,
    onProgress,
    signal,
  };
}

/**
 * The noise levels of a request with `useTSchedule`, else undefined. The final 0 is left out: every
 * schedule adds it, and a step from 0 to 0 would do nothing.
 */
export function ownSigmas(
  { useTSchedule, numInferenceSteps }: Pick<SamplingRequest, 'useTSchedule' | 'numInferenceSteps'>,
  settings: { numInferenceSteps: number },
): number[] | undefined {
  if (!useTSchedule) return undefined;
  return customSigmas(numInferenceSteps ?? settings.numInferenceSteps).filter((sigma) => sigma > 0);
}
