/** From noise to latents, step by step. */
import { setImmediate } from 'node:timers/promises';
import { type SolverName, solverOf } from '../diffusion/index.js';
import type { Transformer3D } from '../models/transformer/index.js';
import { expectMappedWhole, noGrad, type Tensor, tidy } from '../tensor/index.js';
import { type Batch, velocityOf } from './batches.js';
import type { OnProgress } from './progress.js';

/** The state after a step, valid while `onStep` runs; tensors are [B, C, f, h, w], float32. */
export interface StepState {
  /** after guidance */
  velocity: Tensor;
  /** after the step */
  latents: Tensor;
  /** noise level after the step, 1 = pure noise */
  sigma: number;
  /** most of the velocity was reused from the last full pass; see a request's `cacheThreshold` */
  reused: boolean;
}

/** Called after each step, counted from 1; the tensors are freed when it returns. */
export type OnStep = (step: number, total: number, state: StepState) => void;

/** Noise levels from the first (higher) to the second; 1 = pure noise. */
export type SigmaRange = readonly [number, number];

export interface DenoiseOptions {
  /** noise levels from 1 down to 0, one more than there are steps */
  sigmas: readonly number[];
  /** one per step, 0 to 1000 */
  timesteps: readonly number[];
  /** the transformer's other inputs, see `prepareGrids`; steps use the grids in turn */
  grids: readonly (readonly Batch[])[];
  /** null: no guidance; `range`: the noise levels at which it is applied, default: all */
  guidance: { scale: number; range?: SigmaRange } | null;
  solver?: SolverName;
  /** throws if latents hold NaN or infinity; `what` begins the message */
  expectNumbers: (latents: Tensor, what: string) => void;
  onStep?: OnStep;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/**
 * Integrates the transformer's velocity from noise to clean latents.
 *
 * @param start   the noise, [B, C, f, h, w], float32; it is not changed
 * @returns       [B, C, f, h, w], float32; the caller disposes it
 * @throws the signal's reason soon after it aborts: after the step at the latest
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
          endTimestep: timesteps[i + 1] ?? 0,
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
        // reads them, and so waits for the device: else progress and Ctrl-C would be far ahead of it
        expectNumbers(latents, `step ${i + 1} of ${total}: the latents`);
        noGrad(() =>
          tidy(() => onStep?.(i + 1, total, { velocity, latents, sigma: sigmaStep.to, reused })),
        );
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
