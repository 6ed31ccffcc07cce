/** The cost of a run on one machine, part by part, as `mfm train --dry-run` shows it. */
import { decodeFlops, encodeFlops } from '../../models/autoencoder/cost.js';
import { depthFlops } from '../../models/depth-anything/index.js';
import { adapterFlops } from '../../models/transformer/cost.js';
import { parameterSizes } from '../../models/transformer/parameters.js';
import type { PipelineShape } from '../../pipeline/shape.js';
import { hasCondition, type Target, weightedTasks } from '../../tasks/index.js';
import { batchSizeOf } from '../feed/buckets.js';
import {
  adapterPlanOf,
  type Optimisation,
  type PipelineRecipe,
  type Stage,
  sizeOfKind,
} from '../recipe/config.js';
import { depthShapeOf } from '../recipe/depth-model.js';
import { stagesOf } from '../recipe/stages.js';
import { batchesOf, type StageBatch } from './cost.js';
import { memoryOf, type ProcessMemory } from './memory.js';
import { cpuDevice, type StepCost, stepOf } from './scaling.js';
import { type TrainedNetworks, trainedNetworks } from './trained-networks.js';

export interface Machine {
  /** peak operations per second of the whole machine, and the share of them that training reaches */
  peakFlops: number;
  efficiency: number;
  memoryBytes: number;
  /** number of processes that share the machine; default: 1 */
  ranks?: number;
}

/** The cost of a part that is trained in steps. */
export interface PartCost {
  steps: number;
  parameters: number;
  /** operations per step */
  flops: number;
  /** seconds of all steps, at most the plan's `maxSeconds` */
  seconds: number;
}

export interface EncodingCost {
  /**
   * number of MiniWorld's images and clips, with those that are drawn during training; samples of other
   * sources are not counted
   */
  samples: number;
  flops: number;
  seconds: number;
  /** sources whose samples are not counted */
  uncounted: string[];
}

export interface DepthAheadCost {
  /** number of MiniWorld's images and clips whose depth is estimated, at each size */
  samples: number;
  flops: number;
  seconds: number;
  /** bytes that their maps take in the cache */
  bytes: number;
  /** sources whose samples are not counted, although some may need estimates */
  uncounted: string[];
}

export interface StageCost extends PartCost {
  stage: Stage;
  batches: StageBatch[];
  step: StepCost;
  /** memory of each process */
  memory: ProcessMemory;
}

export interface RunCost {
  /** null: it is not trained */
  autoencoder: PartCost | null;
  encoding: EncodingCost;
  /** null: no depth is estimated */
  depth: DepthAheadCost | null;
  adapter: PartCost | null;
  stages: StageCost[];
  seconds: number;
}

export function runCost(
  recipe: PipelineRecipe,
  shape: PipelineShape,
  dtype: TrainedNetworks['dtype'],
  machine: Machine,
): RunCost {
  const networks = trainedNetworks(recipe, shape, dtype);
  const { ranks = 1, efficiency, memoryBytes } = machine;
  const process = cpuDevice(machine.peakFlops / ranks, memoryBytes / ranks);
  const cluster = { ...process, ranks, efficiency };
  const rate = machine.peakFlops * efficiency;
  const part = (plan: Optimisation, parameters: number, flops: number): PartCost => ({
    steps: plan.steps,
    parameters,
    flops,
    seconds: limited(plan, (plan.steps * flops) / rate),
  });

  const stages = stagesOf(recipe).map((stage): StageCost => {
    const step = stepOf(networks, stage, recipe.sharding, cluster);
    const memory = memoryOf(networks, stage, { ...cluster, sharding: recipe.sharding });
    return {
      stage,
      step,
      memory,
      steps: stage.steps,
      flops: step.flops,
      batches: batchesOf(stage),
      parameters: shape.parts.transformer.parameters,
      seconds: limited(stage, stage.steps * step.seconds),
    };
  });
  const trains = !recipe.base && !recipe.autoencoder.from;
  const adapterPlan = adapterPlanOf(recipe);
  const autoencoder = trains
    ? part(recipe.autoencoder, shape.parts.vae.parameters, autoencoderStepFlops(recipe, shape))
    : null;
  const adapter = adapterPlan
    ? part(adapterPlan, adapterParameters(shape), adapterStepFlops(recipe, shape))
    : null;
  const encoding = encodingCost(recipe, shape, rate);
  const depth = depthAheadCost(recipe, rate);
  const parts = [autoencoder, encoding, depth, adapter, ...stages];
  const seconds = parts.reduce((sum, one) => sum + (one?.seconds ?? 0), 0);
  return { autoencoder, encoding, depth, adapter, stages, seconds };
}

const limited = ({ maxSeconds = Number.POSITIVE_INFINITY }: Optimisation, seconds: number) =>
  Math.min(maxSeconds, seconds);

/** The mean over the kinds of batches; the backward pass costs twice the forward pass. */
function autoencoderStepFlops({ autoencoder: plan }: PipelineRecipe, shape: PipelineShape): number {
  const weights = plan.batches.reduce((sum, { weight }) => sum + weight, 0);
  const flops = plan.batches.map((kind) => {
    const { batchSize, weight } = kind;
    const clip = sizeOfKind(kind, plan);
    const { autoencoder: config } = shape;
    const encode = (plan.train === 'all' ? 3 : 1) * encodeFlops(config, clip);
    return weight * batchSize * (encode + 3 * decodeFlops(config, clip));
  });
  return flops.reduce((sum, one) => sum + one, 0) / weights;
}

const adapterParameters = ({ transformer }: PipelineShape): number =>
  parameterSizes(transformer).adapter.reduce((sum, size) => sum + size, 0);

/** The adapter is trained alone, on clips of the last stage's size. */
function adapterStepFlops(recipe: PipelineRecipe, { transformer }: PipelineShape): number {
  const stage = stagesOf(recipe).at(-1)!;
  const { numFrames, width, height, tokensPerBatch } = stage;
  const samples = batchSizeOf(stage, tokensPerBatch);
  return samples * 3 * adapterFlops(transformer, { frames: numFrames, width, height });
}

/**
 * Every sample is encoded once at each size that a stage uses, and so are the scenes that take the place
 * of others in training.
 */
function encodingCost(recipe: PipelineRecipe, shape: PipelineShape, rate: number): EncodingCost {
  const { all, samples, uncounted } = samplesAhead(recipe);
  const renewed = renewedScenes(recipe);
  const flops = [...all, ...renewed].reduce(
    (sum, { count, size }) => sum + count * encodeFlops(shape.autoencoder, size),
    0,
  );
  const more = renewed.reduce((sum, { count }) => sum + count, 0);
  return { samples: samples + more, flops, seconds: flops / rate, uncounted };
}

/** The scenes that sources with `reuse` draw during training, at each size. */
function renewedScenes(recipe: PipelineRecipe): { count: number; size: Target }[] {
  return stagesOf(recipe).flatMap((stage) => {
    const weights = stage.data.reduce((sum, { weight }) => sum + weight, 0);
    const shares = stage.data.map(({ miniworld, weight }) =>
      miniworld?.reuse === undefined ? 0 : weight / weights / miniworld.reuse,
    );
    const share = shares.reduce((sum, one) => sum + one, 0);
    return batchesOf(stage).map((batch) => ({
      count: Math.round(share * stage.steps * batch.share * batch.samples),
      size: batch.size,
    }));
  });
}

/** The depth model sees every frame of a sample once at each size; a step reads the cached maps. */
function depthAheadCost(recipe: PipelineRecipe, rate: number): DepthAheadCost | null {
  const model = depthShapeOf(recipe);
  if (!model) return null;
  const { all, uncounted } = samplesAhead(recipe, takesDepth);
  // the depth of scenes is exact unless the recipe wants the model's
  const estimated = recipe.depth.from === 'model' ? all : [];
  if (estimated.length === 0 && uncounted.length === 0) return null;
  const cost: DepthAheadCost = { samples: 0, flops: 0, seconds: 0, bytes: 0, uncounted };
  for (const { count, size } of estimated) {
    const { width, height, numFrames } = size;
    cost.samples += count;
    cost.flops += count * numFrames * depthFlops(model.config, model.processor, size);
    cost.bytes += count * numFrames * width * height * 4;
  }
  return { ...cost, seconds: cost.flops / rate };
}

/** Has a stage tasks of this kind with known frames? */
const takesDepth = ({ tasks, ownTasks }: Stage, kind: StageBatch['kind']): boolean =>
  weightedTasks(tasks, ownTasks).some(
    ({ task }) => hasCondition(task) && (task.result === 'image') === (kind === 'image'),
  );

/** Samples of MiniWorld at each size that a stage uses, and the sources that are not counted. */
function samplesAhead(recipe: PipelineRecipe, isUsed: typeof takesDepth = () => true) {
  const counts = new Map<string, { count: number; size: Target }>();
  const uncounted = new Set<string>();
  for (const stage of stagesOf(recipe)) {
    for (const { kind, size } of batchesOf(stage)) {
      if (!isUsed(stage, kind)) continue;
      for (const { miniworld, manifest, dataset } of stage.data) {
        const uncountable = manifest ?? dataset;
        if (uncountable !== undefined) uncounted.add(uncountable);
        if (!miniworld) continue;
        const count = kind === 'image' ? miniworld.images : miniworld.clips;
        counts.set(JSON.stringify([miniworld, kind, size]), { count, size });
      }
    }
  }
  const all = [...counts.values()];
  const samples = all.reduce((sum, { count }) => sum + count, 0);
  return { all, samples, uncounted: [...uncounted] };
}
