/**
 * The transformer's inputs for all steps: one batch of samples, or several batches of tiles where a
 * large picture is denoised tile by tile.
 */
import { setImmediate } from 'node:timers/promises';
import { guideBatch } from '../diffusion/index.js';
import {
  type ForwardInputs,
  isFlowMap,
  type StepCache,
  type Transformer3D,
} from '../models/transformer/index.js';
import { cat, full, noGrad, type Tensor, tidy, waitFor, zeros } from '../tensor/index.js';
import { cutLatents, type LatentTile, tileWeights } from './generate/tiles.js';

/** Inputs that stay the same over all steps. */
export interface StepInputs {
  /** inputs of all rows; with guidance, the negative rows come before the positive ones */
  all: Omit<ForwardInputs, 'timesteps' | 'endTimesteps'>;
  /** the positive rows alone, for steps without guidance; null if there are no such steps */
  promptOnly: Omit<ForwardInputs, 'timesteps' | 'endTimesteps'> | null;
}

/** Samples or tiles that go through the transformer together. */
export interface Batch {
  inputs: StepInputs;
  /** null: every step is computed */
  stepCache: StepCache | null;
  /** regions of the latents, one per row; null: the whole latents */
  tiles: readonly LatentTile[] | null;
}

export interface StepSettings {
  /** 0 to 1000 */
  timestep: number;
  /** that of the step's end, which a flow map uses */
  endTimestep: number;
  /** null: no step has guidance; `now`: this step has it */
  guidance: { scale: number; now: boolean } | null;
  signal?: AbortSignal;
}

/** A step's velocity; the caller disposes it. */
export interface StepVelocity {
  /** after guidance, [B, C, f, h, w] */
  velocity: Tensor;
  /** every batch reused its last full pass; see `StepCache` */
  reused: boolean;
}

/**
 * The velocity for latents [B, C, f, h, w], from all batches. Where tiles overlap, their velocities
 * are averaged with weights that fall towards each tile's edge, so neighbours agree at every step.
 *
 * @throws the signal's reason when it aborts, between batches
 * Source: Bar-Tal et al. 2023, MultiDiffusion, arXiv 2302.08113
 */
export async function velocityOf(
  transformer: Transformer3D,
  batches: readonly Batch[],
  latents: Tensor,
  { signal, ...step }: StepSettings,
): Promise<StepVelocity> {
  const reusedBefore = batches.map(({ stepCache }) => stepCache?.counts.reused);
  const reused = () =>
    batches.every(({ stepCache }, i) => stepCache?.counts.reused !== reusedBefore[i]);
  const [first] = batches;
  if (!first!.tiles) {
    const velocity = noGrad(() => tidy(() => batchVelocity(transformer, first!, latents, step)));
    return { velocity: velocity.keep(), reused: reused() };
  }
  const [, , , h, w] = latents.dims(5);
  const options = { device: latents.device };
  const sum = zeros(latents.shape, options).keep();
  const weights = zeros([1, 1, 1, h!, w!], options).keep();
  try {
    for (const batch of batches) {
      signal?.throwIfAborted();
      noGrad(() =>
        tidy(() => {
          const tiles = batch.tiles!;
          const rows = cat(tiles.map((tile) => cutLatents(latents, tile)));
          const own = tileWeights(tiles[0]!, latents.device);
          const weighted = batchVelocity(transformer, batch, rows, step).to('float32').mul(own);
          tiles.forEach((tile, row) => {
            cutLatents(sum, tile).add_(weighted.narrow(0, row, 1));
            cutLatents(weights, tile).add_(own);
          });
          waitFor(sum);
        }),
      );
      await setImmediate();
    }
    const velocity = noGrad(() => tidy(() => sum.div(weights).keep()));
    return { velocity, reused: reused() };
  } finally {
    sum.dispose();
    weights.dispose();
  }
}

function batchVelocity(
  transformer: Transformer3D,
  { inputs, stepCache }: Batch,
  latents: Tensor,
  { timestep, endTimestep, guidance }: Omit<StepSettings, 'signal'>,
): Tensor {
  const both = guidance?.now ?? false;
  const rows = both ? cat([latents, latents], 0) : latents;
  const ofRows = (value: number) => full([rows.size(0)], value, { device: latents.device });
  const velocity = transformer.forward(rows, {
    ...(guidance && !both ? inputs.promptOnly! : inputs.all),
    timesteps: ofRows(timestep),
    endTimesteps: isFlowMap(transformer.config) ? ofRows(endTimestep) : null,
    stepCache,
  });
  return both ? guideBatch(velocity, guidance!.scale) : velocity;
}

/**
 * Keeps all tensors of the inputs until `disposeBatches`.
 *
 * @param samples   the number of negative rows, which come before as many positive ones, if some
 *                  steps run without guidance and need the positive rows alone; else null
 */
export function keptInputs(all: StepInputs['all'], samples: number | null): StepInputs {
  const inputs = { all, promptOnly: samples === null ? null : positiveRows(all, samples) };
  eachTensor(inputs, (tensor) => tensor.keep());
  return inputs;
}

/** Frees all batches, which may share tensors, e.g. their text. */
export function disposeBatches(batches: readonly Batch[]): void {
  const tensors = new Set<Tensor>();
  for (const { inputs, stepCache } of batches) {
    eachTensor(inputs, (tensor) => tensors.add(tensor));
    stepCache?.dispose();
  }
  for (const tensor of tensors) tensor.dispose();
}

/** The second half of the rows, which are the positive ones; the rotary table has no rows. */
function positiveRows(
  { text, condition, rope, motionScores }: StepInputs['all'],
  samples: number,
): StepInputs['all'] {
  const positive = (rows: Tensor) => rows.narrow(0, samples, samples);
  return {
    text: {
      blocks: text.blocks.map(({ keys, values }) => ({
        keys: positive(keys),
        values: positive(values),
      })),
      bias: text.bias && positive(text.bias),
    },
    condition: positive(condition),
    rope,
    motionScores: motionScores && positive(motionScores),
  };
}

function eachTensor(value: unknown, visit: (tensor: Tensor) => void): void {
  if (value === null || typeof value !== 'object') return;
  if ('handle' in value) {
    visit(value as Tensor);
    return;
  }
  for (const part of Object.values(value)) eachTensor(part, visit);
}
