/** The validation loss, task by task, with the same samples, noise and noise levels each time. */
import { setImmediate } from 'node:timers/promises';
import type { Parallel } from '../../distributed/parallel.js';
import type { Pipeline } from '../../pipeline/index.js';
import { cat, Generator, noGrad, randn, type Tensor, tensor, tidy } from '../../tensor/index.js';
import type { StepBatch, TrainSample } from '../feed/batch.js';
import type { EncodeText } from '../feed/encode/text-states.js';
import { microBatches } from '../feed/micro-batches.js';
import type { Tell } from '../loop/loop-options.js';
import { addFigures, type StepOutcome } from '../loop/means.js';
import type { Stage } from '../recipe/config.js';
import { type Draws, lossesOf, sendSamples } from './step.js';

/** How much is computed at once, and by how many processes: the same as in a step of the stage. */
export interface ValidationPlan extends Pick<Stage, 'tokensPerMicroBatch' | 'sequenceParallel'> {
  encodeText?: EncodeText;
  /** ends it early, with its reason; ignored with several processes, which must all do the same */
  signal?: AbortSignal;
  /** hears how many of the batches are done */
  tell?: Tell;
}

/**
 * The loss of each task, as `validation/t2i`; noise levels are spread evenly over the samples.
 *
 * @param batches   validation batches, each of one task; every process measures its part
 * @returns sums over this process's part
 * @throws the signal's reason if it aborts
 */
export async function validationLosses(
  pipeline: Pipeline,
  batches: readonly StepBatch[],
  parallel: Parallel,
  { tokensPerMicroBatch, sequenceParallel, encodeText, signal, tell }: ValidationPlan,
): Promise<StepOutcome['figures']> {
  const sums: StepOutcome['figures'] = {};
  const { rank, size, sequence } = parallel.split(sequenceParallel);
  // of the processes that share samples, only the first counts them
  const counts = !sequence || sequence.rank === 0;
  for (const [i, { samples, count, tokens, target }] of batches.entries()) {
    tell?.(i, batches.length);
    const own = samples.filter(({ index }) => index % size === rank);
    for (const part of microBatches(own, tokens, tokensPerMicroBatch)) {
      const losses = noGrad(() =>
        tidy(() => {
          const draws: Draws = {
            sigmas: tensor(part.map(({ index }) => (index + 0.5) / count)),
            noise: noiseOf(part),
          };
          const options = { gradCheckpointing: false, sequence, encodeText };
          const sent = sendSamples(pipeline, part, target, draws);
          return lossesOf(pipeline, sent, options).losses.toFloat32Array();
        }),
      );
      await setImmediate();
      if (parallel.size === 1) signal?.throwIfAborted();
      if (!counts) continue;
      const sum = losses.reduce((total, loss) => total + loss, 0);
      addFigures(sums, { [`validation/${part[0]!.task.id}`]: { sum, count: losses.length } });
    }
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
