/** From noise to latents, step by step. */
import { setImmediate } from 'node:timers/promises';
import { type SolverName, solverOf } from '../diffusion/index.js';
import type { Transformer3D } from '../models/transformer/index.js';
import { expectMappedWhole, noGrad, type Tensor, tidy, waitFor } from '../tensor/index.js';
import { type Batch, velocityOf } from './batches.js';
import type { OnProgress } from './progress.js';

/** What a step came to, while `onStep` runs; all [B, C, f, h, w], float32. */
export interface StepState {
  /** after guidance */
  velocity: Tensor;
  /** after the step */
  latents: Tensor;
  /** most of the velocity is the last whole pass's; see `cacheThreshold` of a request */
  reused: boolean;
}

/** Called after each step, from 1 on; the tensors are freed when it returns. */
export type OnStep = (step: number, total: number, state: StepState) => void;

/** Noise levels, 1 = pure noise, from the first to the second one. */
export type SigmaRange = readonly [number, number];

export interface DenoiseOptions {
  /** noise levels from 1 to 0, one more than there are steps */
  sigmas: readonly number[];
  /** of each step, 0 to 1000 */
  timesteps: readonly number[];
  /** what the transformer is given beside latents, see `prepareGrids`; steps take the grids in turn */
  grids: readonly (readonly Batch[])[];
  /** null: no step has any; `range`: the noise levels at which steps have it, default: all */
  guidance: { scale: number; range?: SigmaRange } | null;
  solver?: SolverName;
  /** throws if latents hold what is no number; `what` starts its sentence */
  expectNumbers: (latents: Tensor, what: string) => void;
  onStep?: OnStep;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/**
 * Goes from noise to latents along the transformer's velocity.
 *
 * @param start   [B, C, f, h, w], float32; it stays as it is
 * @returns       [B, C, f, h, w], float32; the caller disposes it
 * @throws the signal's reason when it aborts, within a step
 */
export async function denoise(
  transformer: Transformer3D,
  start: Tensor,
  options: DenoiseOptions,
): Promise<Tensor> {
  const { sigmas, timesteps, grids, guidance, expectNumbers } = options;
  const { onStep, onProgress, signal } = options;
  const total = timesteps.length;
  const solver = solverOf(options.solver ?? 'euler');
  let latents = noGrad(() => tidy(() => start.clone().keep()));
  try {
    onProgress?.('steps', 0, total);
    for (let i = 0; i < total; i++) {
      signal?.throwIfAborted();
      const sigmaStep = { from: sigmas[i]!, to: sigmas[i + 1]! };

      // forward
      const { velocity, reused } = await velocityOf(
        transformer,
        grids[i % grids.length]!,
        latents,
        {
          timestep: timesteps[i]!,
          guidance: guidance && {
            scale: guidance.scale,
            now: isWithin(sigmaStep.from, guidance.range),
          },
          signal,
        },
      );
      try {
        // step
        const next = noGrad(() => tidy(() => solver.step(latents, velocity, sigmaStep).keep()));
        latents.dispose();
        latents = next;
        waitFor(latents);
        expectNumbers(latents, `step ${i + 1} of ${total}: the latents`);
        noGrad(() => tidy(() => onStep?.(i + 1, total, { velocity, latents, reused })));
      } finally {
        velocity.dispose();
      }
      onProgress?.('steps', i + 1, total);
      await setImmediate();
    }
    expectMappedWhole();
    return latents;
  } catch (error) {
    latents.dispose();
    throw error;
  } finally {
    solver.dispose();
  }
}

/** Is guidance applied at this noise level? */
export const isWithin = (sigma: number, [first, last]: SigmaRange = [1, 0]): boolean =>
  sigma <= first && sigma >= last;
