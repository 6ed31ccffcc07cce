/**
 * Teaches the condition adapter to see, before the transformer learns: for every token, what the
 * given parts tell of the clean latents and of how much is known.
 *
 * Left to the transformer's own loss, the adapter has to find the way from pixels to latents through
 * all blocks, and conditions are followed late. Measured: see docs/mfm-mini.md.
 */
import { initialisePatches, PatchEmbed, type Transformer3D } from '../models/transformer/index.js';
import type { Pipeline } from '../pipeline/index.js';
import { weightedTasks } from '../tasks/index.js';
import { cat, Generator, noGrad, type Tensor, tidy } from '../tensor/index.js';
import type { PartContext } from './autoencoder.js';
import { drawIndices, stepRandom } from './batches.js';
import type { EncodedSample, LatentSet } from './latents.js';
import { trainLoop } from './loop.js';
import { assemble, meansByTask } from './task-batch.js';

/** @returns false if it was stopped */
export async function trainAdapter(
  { transformer, autoencoder }: Pipeline,
  clips: LatentSet,
  { run, recipe, report, signal }: PartContext,
): Promise<boolean> {
  const { adapter: plan, ...rest } = recipe.transformer;
  const tasks = weightedTasks(rest.tasks).filter(({ task }) => task.inputs.length > 0);
  if (!plan || tasks.length === 0) return true;
  const conditioned = { ...rest, tasks, conditionDropout: 0, seed: recipe.seed };
  const project = targetProjection(transformer, recipe.seed, rest.conditionScale);

  const finished = await trainLoop<EncodedSample[]>({
    part: 'adapter',
    run,
    config: plan,
    seed: recipe.seed,
    parameters: new Map(transformer.requiresGrad_(true).condConv.namedParameters()),
    async batch(step) {
      const random = stepRandom(recipe.seed, step, 'adapter');
      return drawIndices(random, rest.clipBatchSize, clips.size).map((i) => clips.get(i));
    },
    train(samples, step) {
      const { latents, pixels, mask, tasks } = assemble(samples, step, conditioned);
      const count = samples.length;
      // the first row is the condition that knows nothing
      const known = mask.narrow(0, 1, count);
      const target = noGrad(() => {
        const shares = knownShares(known, autoencoder.spatialCompression);
        return project.forward(cat([latents, shares], 1)).to('float32'); // [B, L, D]
      });
      const seen = transformer.prepareCondition(pixels.narrow(0, 1, count), known).to('float32');
      const squares = seen.sub(target).square().mean([1, 2]); // [B]
      // 1 for an adapter that says nothing, 0 for one that sees everything
      const losses = squares.div(target.square().mean([1, 2]));
      losses.mean().backward();
      return { samples: count, losses: meansByTask(tasks, losses.toFloat32Array()) };
    },
    report,
    signal,
  });
  for (const parameter of project.parameters()) parameter.dispose();
  return finished;
}

/** Latents and known shares [B, C + 1, f, h, w] → what the adapter is to say, [B, L, D]; fixed. */
function targetProjection(transformer: Transformer3D, seed: number, scale: number): PatchEmbed {
  const { in_channels, patch_size } = transformer.config;
  // not the patch embedding itself: latents and condition are added, and must stay apart
  const project = new PatchEmbed(in_channels + 1, transformer.width, patch_size);
  const generator = new Generator(seed);
  noGrad(() => {
    initialisePatches(project, generator);
    project.proj.weight.mul_(scale);
  });
  return project.requiresGrad_(false);
}

/** mask [B, 1, F, H, W] → [B, 1, f, h, w]: the known share of each latent's pixels, as -1 to 1. */
function knownShares(mask: Tensor, factor: number): Tensor {
  return tidy(() => {
    const shares = mask.avgPool3d([1, factor, factor]);
    return shares.slice(2, 0, mask.size(2), 4).mul(2).sub(1);
  });
}
