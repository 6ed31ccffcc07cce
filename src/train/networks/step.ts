/** The forward and backward pass of a training step, for a batch of samples of any tasks. */
import { addNoise, timestepsOf, velocityLosses, velocityTarget } from '../../diffusion/index.js';
import type { SequenceGroup } from '../../distributed/sequence.js';
import type { ForwardInputs, Probe, TokenRoute } from '../../models/transformer/index.js';
import type { Pipeline } from '../../pipeline/index.js';
import { conditionOf, NOTHING, type Target } from '../../tasks/index.js';
import {
  cat,
  checkpoint,
  noGrad,
  Tensor,
  tensor,
  tidy,
  upload,
  uploadAll,
} from '../../tensor/index.js';
import type { SharedWork } from '../cost/cost.js';
import type { StepBatch, TrainSample } from '../feed/batch.js';
import type { EncodeText } from '../feed/encode/text-states.js';
import { microBatches } from '../feed/micro-batches.js';
import type { StepContext } from '../loop/loop.js';
import { addFigures, type Measured, measuredTogether, type StepOutcome } from '../loop/means.js';
import { keptForStep, type Sent } from '../loop/source.js';
import type { Stage } from '../recipe/config.js';
import type { AlignmentHead } from './alignment.js';

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

/** The step that a batch is for. */
type StepAt = Pick<StepContext<SentAhead>, 'step' | 'backward'> &
  Partial<Pick<StepContext<SentAhead>, 'sent'>>;

/** What a step learns: what is drawn at random for its samples, and the losses that follow. */
export interface Objective {
  draw(pipeline: Pipeline, samples: readonly TrainSample[], plan: StepPlan, step: number): Draws;
  /** @param batch   all samples of this process, of which `part` has a micro-batch */
  losses(
    pipeline: Pipeline,
    part: SentSamples,
    plan: StepPlan,
    batch: { samples: readonly TrainSample[]; target: Target; step: number },
  ): ObjectiveLosses;
}

export interface ObjectiveLosses {
  /** [B] float32 */
  losses: Tensor;
  /** [B], their weights in the gradient, which have none themselves; default: 1 */
  weights?: Tensor;
  /** [B], what else is minimised, already weighted */
  extra?: Tensor;
  /** further values [B] to log, by name, of the samples that are `known` */
  figures?: Record<string, { values: Tensor; known: readonly boolean[] }>;
  /** the work that all of them took */
  work: SharedWork;
}

/**
 * Forward and backward pass, in micro-batches if the plan limits their size.
 *
 * @param at   `sent`: what `sendAhead` has returned for this batch and step, if it was called
 * @returns the outcome, and the work over all samples
 */
export function trainStep(
  pipeline: Pipeline,
  batch: StepBatch,
  { step, backward, sent = null }: StepAt,
  plan: StepPlan,
  objective: Objective,
): StepOutcome & { work: SharedWork } {
  const { samples, count, tokens, target } = batch;
  const measured: Measured[] = [];
  const work: SharedWork = { conditions: 0, textTokens: 0, encodedTokens: 0, forwards: 0 };
  const parts = microBatches(samples, tokens, plan.tokensPerMicroBatch);
  const send = (part: readonly TrainSample[]) =>
    sendSamples(pipeline, part, target, objective.draw(pipeline, part, plan, step));
  // a process without samples must still take part in the reduction of gradients
  if (parts.length === 0) backward(null, true);
  for (const part of parts) {
    const outcome = tidy(() => {
      const own = (part === parts[0] && sent?.part) || send(part);
      const computed = objective.losses(pipeline, own, plan, { samples, target, step });
      const { losses, weights, extra, figures: more = {}, work: added } = computed;
      for (const key of Object.keys(work) as (keyof SharedWork)[]) work[key] += added[key];
      const weighted = weights ? losses.mul(weights) : losses;
      const minimised = extra ? weighted.add(extra) : weighted;
      backward(minimised.sum().div(count), part === parts.at(-1));
      return measuredOf(part, own.draws.sigmas.toFloat32Array(), losses, more);
    });
    measured.push(outcome);
  }
  const figures: StepOutcome['figures'] = {};
  // of the processes that share samples, only the first counts them
  if (plan.sequence && plan.sequence.rank > 0) return { samples: 0, count, figures, work };
  return {
    samples: samples.length,
    count,
    tokens: samples.length * tokens,
    figures,
    measured: measuredTogether(measured),
    work,
  };
}

/** What is to be read of a micro-batch: the losses, then the objective's own figures, [n · B]. */
function measuredOf(
  samples: readonly TrainSample[],
  sigmas: Float32Array,
  losses: Tensor,
  more: NonNullable<ObjectiveLosses['figures']>,
): Measured {
  const count = samples.length;
  const all = [losses, ...Object.values(more).map(({ values }) => values)];
  return {
    values: noGrad(() => cat(all.map((one) => one.detach().to('float32')))),
    figures(values) {
      const figures: StepOutcome['figures'] = {};
      addLosses(figures, samples, values.subarray(0, count), sigmas);
      for (const [i, [name, { known }]] of Object.entries(more).entries()) {
        const own = values.subarray((i + 1) * count, (i + 2) * count);
        for (const [k, sum] of own.entries()) {
          if (known[k]) addFigures(figures, { [name]: { sum, count: 1 } });
        }
      }
      return figures;
    },
  };
}

/** What is drawn, on the CPU: so a seed gives the same on every device. */
export interface Draws {
  /** [B], noise levels */
  sigmas: Tensor;
  /** [B, C, f, h, w] */
  noise: Tensor;
  /** tokens that skip blocks; default: none do */
  route?: TokenRoute | null;
}

/** The samples of a micro-batch, with what a step takes of them on the pipeline's device. */
export interface SentSamples extends StackedConditions {
  samples: readonly TrainSample[];
  /** on the CPU */
  draws: Draws;
  /** [B, C, f, h, w] float32 */
  latents: Tensor;
  noise: Tensor;
  sigmas: Tensor;
  route: TokenRoute | null;
}

/** Sends a micro-batch to the pipeline's device, without waiting for it. */
export function sendSamples(
  pipeline: Pipeline,
  samples: readonly TrainSample[],
  target: Target,
  draws: Draws,
): SentSamples {
  const { device } = pipeline;
  const { route = null } = draws;
  return {
    samples,
    draws,
    latents: latentsOf(samples, device),
    noise: upload(draws.noise, device),
    sigmas: upload(draws.sigmas, device),
    route: route && {
      ...route,
      kept: upload(route.kept, device),
      skipping: upload(route.skipping, device),
    },
    ...stackConditions(samples, target, pipeline),
  };
}

/** The first micro-batch of a step, sent ahead. */
export interface SentAhead extends Sent {
  part: SentSamples;
}

/**
 * Sends the first micro-batch of a later step while an earlier one computes; its others follow one another
 * without a wait anyway. Null if this process has no samples.
 */
export function sendAhead(
  pipeline: Pipeline,
  { samples, tokens, target }: StepBatch,
  step: number,
  plan: StepPlan,
  objective: Objective,
): SentAhead | null {
  const [first] = microBatches(samples, tokens, plan.tokensPerMicroBatch);
  if (!first) return null;
  const part = sendSamples(pipeline, first, target, objective.draw(pipeline, first, plan, step));
  const { draws, route, samples: _, ...tensors } = part;
  const all = [draws, draws.route, route, tensors].flatMap((one) => Object.values(one ?? {}));
  const sent = keptForStep(all.filter((one) => one instanceof Tensor));
  return { part, ...sent };
}

/**
 * The loss of each sample, [B] float32, the velocities that it is for, and the work that all of them
 * took.
 */
export function lossesOf(
  pipeline: Pipeline,
  sent: SentSamples,
  options: LossOptions,
): { losses: Tensor; velocity: Tensor; work: SharedWork } {
  const { latents, noise, sigmas, route } = sent;
  const { inputs, work } = prepareSamples(pipeline, sent, options);
  const velocity = pipeline.transformer.forward(addNoise(latents, noise, sigmas), {
    ...inputs,
    timesteps: timestepsOf(sigmas),
    route,
    probe: options.probe,
  });
  return { velocity, losses: velocityLosses(velocity, velocityTarget(latents, noise)), work };
}

export interface PreparedSamples {
  /** the transformer's inputs, whatever the noise level */
  inputs: Omit<ForwardInputs, 'timesteps' | 'endTimesteps'>;
  work: SharedWork;
}

/** Prepares the texts and conditions of samples. */
export function prepareSamples(
  pipeline: Pipeline,
  { samples, latents, conditions, rows }: SentSamples,
  {
    gradCheckpointing,
    sequence,
    encodeText = (prompts) => pipeline.encodePrompts(prompts),
  }: LossOptions,
): PreparedSamples {
  const { transformer, device } = pipeline;
  const prompts = samples.map(({ prompt }) => prompt);
  const encoded = encodeText(prompts);
  return {
    inputs: {
      motionScores: tensor(
        samples.map(({ motionScore }) => motionScore),
        { device },
      ),
      text: pipeline.prepareText(encoded),
      condition: transformer.prepareCondition(conditions).indexSelect(0, rows),
      rope: transformer.prepareRope(latents),
      sequence,
      wrapBlock: gradCheckpointing ? checkpoint : undefined,
    },
    work: {
      conditions: conditions.size(0),
      textTokens: samples.length * encoded.tokens,
      encodedTokens: new Set(prompts).size * encoded.states.size(1),
      forwards: 0,
    },
  };
}

/** The latents of samples on a device, [B, C, f, h, w] float32. */
export const latentsOf = (samples: readonly TrainSample[], device: string): Tensor =>
  uploadAll(
    samples.map((sample) => sample.latents),
    device,
  ).to('float32');

/** The depth channel of a condition follows the three channels of the pixels. */
export const DEPTH_CHANNEL = 3;

export interface StackedConditions {
  /**
   * [K, C, F, H, W], the distinct conditions: pixels, depth if the model uses it, mask. If a sample
   * has no condition, the first one is empty.
   */
  conditions: Tensor;
  /** [B] int64: the row of each sample's condition */
  rows: Tensor;
}

/** The conditions of samples, on the pipeline's device. Those without one share one pass through the adapter. */
export function stackConditions(
  samples: readonly TrainSample[],
  target: Target,
  pipeline: ConditionedPipeline,
): StackedConditions {
  const { conditions, rows } = conditionsOf(samples, target, pipeline);
  const { device } = pipeline.transformer;
  return { conditions: upload(conditions, device), rows: upload(rows, device) };
}

type ConditionedPipeline = Pick<Pipeline, 'transformer' | 'settings'>;

/** The same on the CPU. */
export function conditionsOf(
  samples: readonly TrainSample[],
  target: Target,
  { transformer: { config, dtype }, settings }: ConditionedPipeline,
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
