/** The loss of held-out samples, task by task: the same samples, noise and noise levels each time. */
import { setImmediate } from 'node:timers/promises';
import type { Parallel } from '../distributed/parallel.js';
import type { Pipeline } from '../pipeline/index.js';
import { cat, Generator, noGrad, randn, type Tensor, tensor, tidy } from '../tensor/index.js';
import type { StepBatch, TrainSample } from './feed/batch.js';
import type { StepOutcome } from './loop.js';
import { type Draws, lossesOf } from './step.js';
import type { EncodeText } from './text-states.js';

/**
 * The losses of each task, `validation/t2i`; noise levels are spread evenly over the samples.
 *
 * @param batches   held-out samples, each batch of one task; every process measures its part
 * @returns sums over this process's part
 */
export async function validationLosses(
  pipeline: Pipeline,
  batches: readonly StepBatch[],
  { rank, size }: Pick<Parallel, 'rank' | 'size'>,
  encodeText?: EncodeText,
): Promise<StepOutcome['figures']> {
  const sums: StepOutcome['figures'] = {};
  for (const { samples, count, target } of batches) {
    const own = samples.filter(({ index }) => index % size === rank);
    if (own.length === 0) continue;
    const losses = noGrad(() =>
      tidy(() => {
        const draws: Draws = {
          sigmas: tensor(own.map(({ index }) => (index + 0.5) / count)),
          noise: noiseOf(own),
        };
        const options = { gradCheckpointing: false, sequence: null, encodeText };
        return lossesOf(pipeline, own, target, draws, options).losses.toFloat32Array();
      }),
    );
    const name = `validation/${own[0]!.task.id}`;
    const entry = sums[name] ?? { sum: 0, count: 0 };
    sums[name] = entry;
    for (const loss of losses) entry.sum += loss;
    entry.count += losses.length;
    await setImmediate();
  }
  return sums;
}

const noiseOf = (samples: readonly TrainSample[]): Tensor =>
  cat(
    samples.map(({ latents, index }) =>
      randn(latents.shape, { generator: new Generator(VALIDATION_SEED + index) }),
    ),
  );

const VALIDATION_SEED = 7_000_000;
