/** The forward and backward pass of a training step, for a batch of samples of any tasks. */
import {
  addNoise,
  sigmasFromNormal,
  timestepsOf,
  velocityLosses,
  velocityTarget,
} from '../../diffusion/index.js';
import type { SequenceGroup } from '../../distributed/sequence.js';
import type { Probe, TokenRoute } from '../../models/transformer/index.js';
import type { Pipeline } from '../../pipeline/index.js';
import { conditionOf, NOTHING, type Target } from '../../tasks/index.js';
import { cat, checkpoint, randn, type Tensor, tensor, tidy } from '../../tensor/index.js';
import type { SharedWork } from '../cost/cost.js';
import type { StepBatch, TrainSample } from '../feed/batch.js';
import type { EncodeText } from '../feed/encode/text-states.js';
import { microBatches } from '../feed/micro-batches.js';
import { sampleGenerator } from '../feed/sample-noise.js';
import type { StepContext } from '../loop/loop.js';
import type { StepOutcome } from '../loop/means.js';
import type { Stage } from '../recipe/config.js';
import { alignedBlock, shiftFor, skippedBlocks } from '../recipe/levers-config.js';
import type { AlignmentHead } from './alignment.js';
import { drawRoute } from './route.js';

/** How losses are computed, in training and validation. */
export interface LossOptions {
  gradCheckpointing: boolean;
  /** the processes that compute the same samples, and split their tokens */
  sequence: SequenceGroup | null;
  /** default: runs the pipeline's own text encoder each time */
  encodeText?: EncodeText;
  /** reads the tokens after a block */
  probe?: Probe | null;
}

export interface StepPlan
  extends LossOptions,
    Pick<Stage, 'timestepShift' | 'tokensPerMicroBatch'>,
    Partial<Pick<Stage, 'tokenRouting' | 'alignment' | 'contrast'>> {
  seed: number;
  /** needed if `alignment` has a weight */
  alignmentHead?: AlignmentHead | null;
}

/**
 * Forward and backward pass, in micro-batches if the plan limits their size.
 * @returns the outcome, and the work over all samples
 */
export function trainStep(
  pipeline: Pipeline,
  batch: StepBatch,
  { step, backward }: Pick<StepContext, 'step' | 'backward'>,
  plan: StepPlan,
): StepOutcome & { work: SharedWork } {
  const { samples, count, tokens, target } = batch;
  const figures: StepOutcome['figures'] = {};
  const work: SharedWork = { conditions: 0, textTokens: 0, encodedTokens: 0 };
  const parts = microBatches(samples, tokens, plan.tokensPerMicroBatch);
  // a process without samples must still take part in the reduction of gradients
  if (parts.length === 0) backward(null, true);
  for (const part of parts) {
    tidy(() => {
      const draws = drawNoise(pipeline, part, plan, step);
      const aligned = alignmentOf(part, pipeline, plan);
      const options = { ...plan, probe: aligned?.probe };
      const { losses, velocity, work: added } = lossesOf(pipeline, part, target, draws, options);
      for (const key of Object.keys(work) as (keyof SharedWork)[]) work[key] += added[key];
      const alignment = aligned?.losses();
      const distances = contrastOf(velocity, part, samples, plan, step);
      let all = losses;
      if (alignment) all = all.add(alignment.mul(plan.alignment!.weight));
      if (distances) all = all.sub(distances.mul(plan.contrast!));
      backward(all.sum().div(count), part === parts.at(-1));
      addLosses(figures, part, losses.toFloat32Array(), draws.sigmas.toFloat32Array());
      if (alignment) addFigure(figures, 'alignment', alignment, aligned!.known);
    });
  }
  // of the processes that share samples, only the first counts them
  if (plan.sequence && plan.sequence.rank > 0) return { samples: 0, count, figures: {}, work };
  return { samples: samples.length, count, tokens: samples.length * tokens, figures, work };
}

/**
 * The distance of each sample's velocity to the target of the next sample of this process, [B]; null
 * if the stage does not ask for it, or there is no other sample. Micro-batches change nothing, but
 * the number of processes does: it decides which samples are neighbours.
 *
 * Source: Stoica et al. 2025, contrastive flow matching, arXiv 2506.05350
 */
function contrastOf(
  velocity: Tensor,
  part: readonly TrainSample[],
  samples: readonly TrainSample[],
  { contrast = 0, seed }: StepPlan,
  step: number,
): Tensor | null {
  if (contrast === 0 || samples.length < 2) return null;
  const others = part.map((sample) => samples[(samples.indexOf(sample) + 1) % samples.length]!);
  const latents = cat(others.map((other) => other.latents)).to('float32');
  const noise = cat(others.map((other) => drawSample(other, seed, step).noise));
  return velocityLosses(velocity, velocityTarget(latents, noise));
}

/** What reads the tokens of a block to align them; null if the stage does not. */
function alignmentOf(
  samples: readonly TrainSample[],
  { transformer }: Pipeline,
  { alignment, alignmentHead }: StepPlan,
) {
  if (!alignment || alignment.weight === 0) return null;
  const block = alignedBlock(alignment, transformer.blocks.length);
  return alignmentHead!.reading(block, samples);
}

export interface Draws {
  /** [B], noise levels */
  sigmas: Tensor;
  /** [B, C, f, h, w] */
  noise: Tensor;
  /** tokens that skip blocks; default: none do */
  route?: TokenRoute | null;
}

/**
 * A sample's noise, and which of its tokens skip blocks, follow from the step and its place in the
 * whole batch, whichever process computes it.
 */
function drawNoise(
  { transformer }: Pipeline,
  samples: readonly TrainSample[],
  { seed, timestepShift, tokenRouting }: StepPlan,
  step: number,
): Draws {
  const drawn = samples.map((sample) => drawSample(sample, seed, step));
  const normals = cat(drawn.map(({ normal }) => normal));
  const noise = cat(drawn.map((draw) => draw.noise));
  const skipped = tokenRouting && skippedBlocks(tokenRouting, transformer.blocks.length);
  const generators = drawn.map(({ generator }) => generator);
  const [frames, height, width] = transformer.tokenGrid(noise);
  return {
    // source of the distribution: Esser et al. 2024, arXiv 2403.03206
    sigmas: sigmasFromNormal(
      normals,
      samples.map(({ task }) => shiftFor(timestepShift, task)),
    ),
    noise,
    route: skipped ? drawRoute(generators, frames * height * width, skipped) : null,
  };
}

/** Draws of a sample, and the generator for more of them. */
function drawSample({ index, latents }: TrainSample, seed: number, step: number) {
  const generator = sampleGenerator(seed, step, index);
  const normal = randn([1], { generator });
  return { normal, noise: randn(latents.shape, { generator }), generator };
}

/**
 * The loss of each sample, [B] float32, the velocities that it is for, and the work that all of them
 * took.
 */
export function lossesOf(
  pipeline: Pipeline,
  samples: readonly TrainSample[],
  target: Target,
  { sigmas, noise, route }: Draws,
  {
    gradCheckpointing,
    sequence,
    encodeText = (prompts) => pipeline.encodePrompts(prompts),
    probe,
  }: LossOptions,
): { losses: Tensor; velocity: Tensor; work: SharedWork } {
  const { transformer } = pipeline;
  const latents = cat(samples.map((sample) => sample.latents)).to('float32');
  const prompts = samples.map(({ prompt }) => prompt);
  const encoded = encodeText(prompts);
  const { conditions, rows } = stackConditions(samples, target, pipeline);
  const velocity = transformer.forward(addNoise(latents, noise, sigmas), {
    timesteps: timestepsOf(sigmas),
    motionScores: tensor(samples.map(({ motionScore }) => motionScore)),
    text: pipeline.prepareText(encoded),
    condition: transformer.prepareCondition(conditions).indexSelect(0, rows),
    rope: transformer.prepareRope(latents),
    sequence,
    route,
    probe,
    wrapBlock: gradCheckpointing ? checkpoint : undefined,
  });
  return {
    velocity,
    losses: velocityLosses(velocity, velocityTarget(latents, noise)),
    work: {
      conditions: conditions.size(0),
      textTokens: samples.length * encoded.tokens,
      encodedTokens: new Set(prompts).size * encoded.states.size(1),
    },
  };
}

export interface StackedConditions {
  /**
   * [K, C, F, H, W], the distinct conditions: pixels, depth if the model uses it, mask. If a sample
   * has no condition, the first one is empty.
   */
  conditions: Tensor;
  /** [B] int64: the row of each sample's condition */
  rows: Tensor;
}

/** Samples without a condition share one pass through the adapter. */
export function stackConditions(
  samples: readonly TrainSample[],
  target: Target,
  { transformer: { config, dtype }, settings }: Pick<Pipeline, 'transformer' | 'settings'>,
): StackedConditions {
  const known = samples.flatMap(({ given }) => (given ? [given] : []));
  const shared = known.length < samples.length ? [NOTHING] : [];
  const conditions = [...shared, ...known].map((given) =>
    tidy(() => {
      const { pixels, depth, mask } = conditionOf(given, target, { scale: settings.depthScale });
      return cat(config.use_depth_cond ? [pixels, depth, mask] : [pixels, mask], 1).to(dtype);
    }),
  );
  let row = shared.length;
  const rows = samples.map(({ given }) => (given ? row++ : 0));
  return { conditions: cat(conditions), rows: tensor(rows, { dtype: 'int64' }) };
}

/** Number of noise-level bands for which losses are reported separately. */
const BANDS = 4;

function addLosses(
  figures: StepOutcome['figures'],
  samples: readonly TrainSample[],
  losses: Float32Array,
  sigmas: Float32Array,
): void {
  const add = (name: string, value: number) => {
    figures[name] ??= { sum: 0, count: 0 };
    figures[name].sum += value;
    figures[name].count += 1;
  };
  samples.forEach(({ task }, i) => {
    const loss = losses[i]!;
    add('loss', loss);
    add(`loss/${task.id}`, loss);
    const band = Math.min(BANDS - 1, Math.floor(sigmas[i]! * BANDS));
    add(`loss/sigma ${band / BANDS}-${(band + 1) / BANDS}`, loss);
  });
}

/** Adds the values [B] of those of a micro-batch's samples that have one. */
function addFigure(
  figures: StepOutcome['figures'],
  name: string,
  values: Tensor,
  known: readonly boolean[],
): void {
  values.toFloat32Array().forEach((value, i) => {
    if (!known[i]) return;
    const entry = figures[name] ?? { sum: 0, count: 0 };
    figures[name] = { sum: entry.sum + value, count: entry.count + 1 };
  });
}
