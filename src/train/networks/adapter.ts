/**
 * Trains the condition adapter alone, before the transformer: for every token, it learns to predict
 * from the condition the clean latents and how much of them is known.
 *
 * With the transformer's loss alone, the adapter would have to learn the way from pixels to latents
 * through all blocks, and conditions would be followed late. Measured: see docs/mfm-mini.md.
 */
import {
  initialisePatches,
  PatchEmbed,
  type Transformer3D,
} from '../../models/transformer/index.js';
import type { Pipeline } from '../../pipeline/index.js';
import { type Target, trainsAdapter, weightedTasks } from '../../tasks/index.js';
import { cat, Generator, noGrad, type Tensor, tidy } from '../../tensor/index.js';
import type { StepBatch, TrainSample } from '../feed/batch.js';
import { microBatches } from '../feed/micro-batches.js';
import { type StepContext, trainLoop } from '../loop/loop.js';
import { type Measured, measuredTogether, type StepOutcome } from '../loop/means.js';
import { keptForStep, type Sent } from '../loop/source.js';
import { adapterPlanOf, type Stage } from '../recipe/config.js';
import type { PartContext } from './context.js';
import { latentsOf, type StackedConditions, stackConditions } from './step.js';
import { lessMemory } from './transformer.js';

/** Trains the adapter, if the recipe has a plan for it. @returns false if the signal stopped it */
export async function trainAdapter(
  pipeline: Pipeline,
  { run, recipe, data, report, signal }: PartContext,
): Promise<boolean> {
  const { adapter, conditionScale } = recipe.transformer;
  const plan = adapterPlanOf(recipe);
  if (adapter && !plan)
    report.log(`adapter: not trained alone, as ${recipe.init} has a trained one`);
  const stage = data.stages.at(-1)!;
  const tasks = weightedTasks(stage.tasks, stage.ownTasks).filter(({ task }) =>
    trainsAdapter(task),
  );
  if (!plan || tasks.length === 0) return true;
  const { transformer } = pipeline;
  const conditioned: Stage = {
    ...stage,
    tasks: Object.fromEntries(tasks.map(({ task, weight }) => [task.id, weight])),
    imageShare: [0, 0],
    mixAt: 0,
    conditionDropout: 0,
    sequenceParallel: 1,
  };
  const project = targetProjection(transformer, recipe.seed, conditionScale);
  const { tokensPerMicroBatch } = stage;

  const finished = await trainLoop<StepBatch, SentAhead>({
    part: 'adapter',
    run,
    stages: [plan],
    seed: recipe.seed,
    parameters: new Map(transformer.requiresGrad_(true).condConv.namedParameters()),
    open: (_, position, doneAt) => data.open(conditioned, position, doneAt),
    send({ samples, tokens, target }) {
      const [first] = microBatches(samples, tokens, tokensPerMicroBatch);
      if (!first) return null;
      const part = send(pipeline, first, target);
      return { part, ...keptForStep(Object.values(part)) };
    },
    train: (batch, { backward, sent }) =>
      adapterStep(pipeline, project, batch, { backward, sent, tokensPerMicroBatch }),
    lessMemory: () => lessMemory(stage, run.parallel),
    report,
    signal,
  });
  for (const parameter of project.parameters()) parameter.dispose();
  return finished;
}

/** A micro-batch on the pipeline's device. */
interface SentPart extends StackedConditions {
  /** [B, C, f, h, w] float32 */
  latents: Tensor;
}

/** The first micro-batch of a step, sent ahead. */
interface SentAhead extends Sent {
  part: SentPart;
}

const send = (pipeline: Pipeline, samples: readonly TrainSample[], target: Target): SentPart => ({
  latents: latentsOf(samples, pipeline.device),
  ...stackConditions(samples, target, pipeline),
});

interface AdapterStepOptions {
  backward: StepContext['backward'];
  /** the first micro-batch, if it was sent ahead */
  sent?: SentAhead | null;
  tokensPerMicroBatch?: number;
}

/**
 * Forward and backward pass of a batch, in micro-batches if their size is limited.
 *
 * @param project   maps latents and known shares to the adapter's target, see `targetProjection`
 */
export function adapterStep(
  pipeline: Pipeline,
  project: PatchEmbed,
  { samples, target, count, tokens }: StepBatch,
  { backward, sent = null, tokensPerMicroBatch }: AdapterStepOptions,
): StepOutcome {
  const measured: Measured[] = [];
  const parts = microBatches(samples, tokens, tokensPerMicroBatch);
  // a process without samples must still take part in the reduction of gradients
  if (parts.length === 0) backward(null, true);
  for (const part of parts) {
    const losses = tidy(() => {
      const own = (part === parts[0] && sent?.part) || send(pipeline, part, target);
      const losses = adapterLosses(pipeline, project, own);
      backward(losses.sum().div(count), part === parts.at(-1));
      return losses.detach();
    });
    measured.push({ values: losses, figures: lossFigure });
  }
  return {
    samples: samples.length,
    count,
    tokens: samples.length * tokens,
    figures: {},
    measured: measuredTogether(measured),
  };
}

const lossFigure = (losses: Float32Array): StepOutcome['figures'] => ({
  loss: { sum: losses.reduce((sum, one) => sum + one, 0), count: losses.length },
});

/**
 * The relative squared error of each sample, [B] float32: 1 for an output of zero, 0 for a perfect
 * one.
 */
function adapterLosses(
  { transformer, autoencoder }: Pipeline,
  project: PatchEmbed,
  { latents, conditions, rows }: SentPart,
): Tensor {
  const given = conditions.indexSelect(0, rows);
  const known = given.narrow(1, given.size(1) - 1, 1).to('float32'); // the mask
  const wanted = noGrad(() => {
    const shares = knownShares(known, autoencoder.spatialCompression);
    return project.forward(cat([latents, shares], 1)).to('float32'); // [B, L, D]
  });
  const seen = transformer.prepareCondition(given).to('float32');
  const squares = seen.sub(wanted).square().mean([1, 2]); // [B]
  return squares.div(wanted.square().mean([1, 2]));
}

/**
 * The fixed projection of latents and known shares [B, C + 1, f, h, w] to the adapter's target [B,
 * L, D].
 */
export function targetProjection(
  transformer: Transformer3D,
  seed: number,
  scale: number,
): PatchEmbed {
  const { in_channels, patch_size } = transformer.config;
  // not the patch embedding itself: latents and condition are added up, and must stay distinguishable
  const project = new PatchEmbed(in_channels + 1, transformer.width, patch_size);
  const generator = new Generator(seed);
  noGrad(() => {
    initialisePatches(project, generator);
    project.proj.weight.mul_(scale);
  });
  return project.moveTo(transformer.device, 'float32').requiresGrad_(false);
}

/**
 * mask [B, 1, F, H, W] → [B, 1, f, h, w]: the known share of each latent's pixels, scaled to -1..1.
 */
function knownShares(mask: Tensor, factor: number): Tensor {
  return tidy(() => {
    const shares = mask.avgPool3d([1, factor, factor]);
    return shares.slice(2, 0, mask.size(2), 4).mul(2).sub(1);
  });
}
