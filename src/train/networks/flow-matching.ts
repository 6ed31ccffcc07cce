/**
 * The objective of flow matching: the velocity at single noise levels, from the data alone; beside it,
 * what makes a sample teach more, where a stage asks for it.
 */
import { sigmasFromNormal, velocityLosses, velocityTarget } from '../../diffusion/index.js';
import type { Pipeline } from '../../pipeline/index.js';
import { cat, randn, type Tensor, upload } from '../../tensor/index.js';
import type { TrainSample } from '../feed/batch.js';
import { sampleGenerator } from '../feed/sample-noise.js';
import { alignedBlock, shiftFor, skippedBlocks } from '../recipe/levers-config.js';
import { drawRoute } from './route.js';
import { type Draws, latentsOf, lossesOf, type Objective, type StepPlan } from './step.js';

export const FLOW_MATCHING: Objective = {
  draw: drawNoise,
  losses(pipeline, part, plan, batch) {
    const { samples } = part;
    const aligned = alignmentOf(samples, pipeline, plan);
    const options = { ...plan, probe: aligned?.probe };
    const { losses, velocity, work } = lossesOf(pipeline, part, options);
    const alignment = aligned?.losses();
    const distances = contrastOf(velocity, samples, batch.samples, plan, batch.step);
    const terms = [
      ...(alignment ? [alignment.mul(plan.alignment!.weight)] : []),
      ...(distances ? [distances.mul(-plan.contrast!)] : []),
    ];
    return {
      losses,
      extra: terms.length > 0 ? terms.reduce((sum, term) => sum.add(term)) : undefined,
      figures: alignment && { alignment: { values: alignment, known: aligned!.known } },
      work,
    };
  },
};

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
export function drawSample({ index, latents }: TrainSample, seed: number, step: number) {
  const generator = sampleGenerator(seed, step, index);
  const normal = randn([1], { generator });
  return { normal, noise: randn(latents.shape, { generator }), generator };
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
  const { device } = velocity;
  const noise = cat(others.map((other) => drawSample(other, seed, step).noise));
  const wanted = velocityTarget(latentsOf(others, device), upload(noise, device));
  return velocityLosses(velocity, wanted);
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
