/** A whole run: autoencoder, latents, adapter, transformer, pipeline folder. Each part goes on where it stopped. */
import { existsSync } from 'node:fs';
import { miniWorld } from '../data/miniworld/index.js';
import type { Autoencoder } from '../models/autoencoder/index.js';
import { fastDtype, loadWeights } from '../nn/index.js';
import { type DType, noGrad, openSafetensors, saveSafetensors, tidy } from '../tensor/index.js';
import { trainAdapter } from './adapter.js';
import { buildAutoencoder, type PartContext, trainAutoencoder } from './autoencoder.js';
import { videoFromBytes } from './batches.js';
import { encodeSet } from './latents.js';
import { normaliseLatents } from './normalise.js';
import { startFrom } from './start-from.js';
import { buildPipeline, exportPipeline, trainTransformer } from './transformer.js';

/**
 * Runs the parts in turn and writes `pipeline/` into the run folder.
 * @returns false if the signal stopped it; the same call with the same folder goes on
 */
export async function train(context: PartContext): Promise<boolean> {
  const { recipe, run, init } = context;
  const dtype: DType = recipe.dtype === 'auto' ? fastDtype() : recipe.dtype;

  const autoencoder = buildAutoencoder(recipe, dtype);
  if (recipe.autoencoder.from) {
    const folder = `${recipe.autoencoder.from}/vae`;
    loadWeights(autoencoder, folder, 'diffusion_pytorch_model', dtype);
  } else {
    if (init) loadWeights(autoencoder, `${init}/vae`, 'diffusion_pytorch_model', dtype);
    if (!(await trainAutoencoder(autoencoder, context))) return false;
    finishAutoencoder(autoencoder, context);
  }
  autoencoder.requiresGrad_(false).eval();

  const image = await encodeSet('image', autoencoder, context);
  const clip = image && (await encodeSet('clip', autoencoder, context));
  if (!image || !clip) return false;

  const trainee = buildPipeline(recipe, autoencoder, dtype, clip.meanMotionScore());
  const from = recipe.transformer.from ?? init;
  if (from) startFrom(trainee, from, dtype);
  if (!(await trainAdapter(trainee.pipeline, clip, context))) return false;
  if (!(await trainTransformer(trainee, { image, clip }, context))) return false;
  exportPipeline(trainee, run);
  return true;
}

/** Clips that the scale of the latents is measured on. */
const SCALE_CLIPS = 64;

/** Latents of unit scale; written beside the checkpoints once, since they must not change again. */
function finishAutoencoder(autoencoder: Autoencoder, { recipe, run }: PartContext): void {
  const path = run.path('autoencoder.safetensors');
  if (existsSync(path)) {
    autoencoder.loadStateDict(openSafetensors(path), { where: path });
    return;
  }
  const { width, height, maxObjects } = recipe.miniworld;
  noGrad(() =>
    tidy(() => {
      const videos = [1, recipe.latents.numFrames].flatMap((numFrames) =>
        Array.from({ length: SCALE_CLIPS }, (_, seed) => {
          const options = { width, height, numFrames, maxObjects, split: 'train' } as const;
          const { frames } = miniWorld(seed, options);
          return videoFromBytes(frames, [1, numFrames, height, width, 3]);
        }),
      );
      normaliseLatents(autoencoder, videos);
    }),
  );
  saveSafetensors(path, autoencoder.stateDict());
}
