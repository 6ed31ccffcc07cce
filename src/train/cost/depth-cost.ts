/** The cost of training a depth model on this machine. */
import {
  DepthAnything,
  depthLoss,
  initialiseDepthAnything,
} from '../../models/depth-anything/index.js';
import { withParameters } from '../../nn/index.js';
import { emptyCache, rand, randn, tidy } from '../../tensor/index.js';
import { largestStretch, meanStretch } from '../feed/depth/stretches.js';
import type { DepthModelPlan } from '../recipe/config.js';
import { depthConfigOf } from '../recipe/networks.js';

export interface DepthCost {
  parameters: number;
  /** seconds of all steps, at most the plan's `maxSeconds` */
  seconds: number;
  /** bytes of a process at its peak */
  memory: number;
}

type DType = 'float32' | 'bfloat16';

/** Pictures of the measured step, and its runs; the first warms up. */
const [PROBE, RUNS] = [2, 3];

/**
 * Measures a step with a few pictures, which takes a second or two.
 *
 * @param ranks   processes that share the machine
 */
export function depthCost(plan: DepthModelPlan, dtype: DType, ranks = 1): DepthCost {
  const network = withParameters({ dtype }, () => new DepthAnything(depthConfigOf(plan)));
  initialiseDepthAnything(network);
  const { width, height, batchSize, steps, maxSeconds = Number.POSITIVE_INFINITY } = plan;
  const weights = { gradient: plan.gradientWeight, level: plan.levelWeight };
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const startMs = performance.now();
    tidy(() => {
      const predicted = network.forward(randn([PROBE, 3, height, width]));
      depthLoss(predicted, rand([PROBE, height, width]), weights).loss.backward();
      network.zeroGrad();
    });
    least = Math.min(least, (performance.now() - startMs) / 1000);
  }
  const parameters = network.parameterCount();
  network.dispose();
  emptyCache();
  const step = (least / PROBE) * batchSize * meanStretch();
  return {
    parameters,
    seconds: Math.min(maxSeconds, steps * step),
    memory: depthMemory(plan, dtype, ranks),
  };
}

/**
 * Bytes of a process at its peak, counted from the plan alone: weights, gradients, float32 masters,
 * both moments and averages, and what autograd keeps of the largest batch.
 */
export function depthMemory(plan: DepthModelPlan, dtype: DType, ranks = 1): number {
  const network = withParameters({ device: 'meta' }, () => new DepthAnything(depthConfigOf(plan)));
  const parameters = network.parameterCount();
  network.dispose();
  const { width, height, patchSize, hiddenSize, numLayers, fusionChannels, headChannels } = plan;
  const element = dtype === 'float32' ? 4 : 2;
  const own = Math.ceil(plan.batchSize / ranks);
  const pixels = largestStretch() * width * height * own;
  const ofBlocks = (BLOCK_VECTORS * element * hiddenSize * numLayers) / patchSize ** 2;
  const ofMaps = fusionChannels * (6 + 1.75 * element) + headChannels * (10 + 4 * element);
  const masters = element === 4 ? 0 : 4;
  const ofWeights = 2 * element + masters + MOMENTS_AND_AVERAGES;
  return parameters * ofWeights + pixels * (ofBlocks + ofMaps + LOSS_BYTES);
}

const MOMENTS_AND_AVERAGES = 12;
/** What autograd keeps of a block, in vectors of the tokens' width; measured, as are the maps' bytes. */
const BLOCK_VECTORS = 25;
/** Bytes per pixel that the loss takes; measured. */
const LOSS_BYTES = 120;
