/** Trains the autoencoder on MiniWorld images and clips. */
import { type MiniWorldBatch, miniWorldLoader } from '../data/miniworld/batch.js';
import { contactSheet } from '../media/index.js';
import { psnr } from '../media/psnr.js';
import {
  Autoencoder,
  autoencoderLoss,
  initialiseAutoencoder,
  parseAutoencoderConfig,
} from '../models/autoencoder/index.js';
import { type DType, manualSeed, noGrad, type Tensor, tidy } from '../tensor/index.js';
import { drawWeighted, stepRandom, videoFromBytes } from './batches.js';
import type { Recipe } from './config.js';
import { type Reporter, trainLoop } from './loop.js';
import type { Run } from './run.js';

/** Held-out clips whose PSNR is reported. */
const VALIDATION_CLIPS = 16;

export function buildAutoencoder(recipe: Recipe, dtype: DType): Autoencoder {
  const { blockOutChannels, layersPerBlock, normNumGroups } = recipe.autoencoder;
  manualSeed(recipe.seed);
  const model = new Autoencoder(
    parseAutoencoderConfig({
      _class_name: 'AutoencoderKLCogVideoX',
      block_out_channels: blockOutChannels,
      layers_per_block: layersPerBlock,
      norm_num_groups: normNumGroups,
      scaling_factor: 1,
    }),
  );
  return initialiseAutoencoder(model).toDtype(dtype);
}

export interface PartContext {
  run: Run;
  /** pipeline folder whose weights a new run starts from; default: fresh ones */
  init?: string;
  recipe: Recipe;
  report: Reporter;
  signal: AbortSignal;
}

/** @returns false if it was stopped */
export async function trainAutoencoder(model: Autoencoder, context: PartContext): Promise<boolean> {
  const { run, recipe, report, signal } = context;
  const { batches, kl, ...config } = recipe.autoencoder;
  const { width, height, maxObjects } = recipe.miniworld;
  const world = { width, height, maxObjects, split: 'train' } as const;
  const loader = miniWorldLoader({ workers: 1, queue: 6 });
  const checkpoint = run.loadCheckpoint('autoencoder');
  const stream = loader.stream(jobs(checkpoint?.state.step ?? 0));

  function* jobs(first: number) {
    for (let step = first; ; step++) {
      const random = stepRandom(recipe.seed, step, 'autoencoder');
      const { numFrames, batchSize } = drawWeighted(random, batches);
      const firstSeed = Math.floor(random.next() * 2 ** 40);
      yield { ...world, numFrames, batchSize, firstSeed };
    }
  }

  const validation = await heldOutClips(recipe);
  try {
    return await trainLoop<MiniWorldBatch>({
      part: 'autoencoder',
      run,
      config,
      seed: recipe.seed,
      parameters: model.namedParameters(),
      batch: async () => (await stream.next()).value as MiniWorldBatch,
      train({ frames, job }) {
        const shape = [job.batchSize, job.numFrames, height, width, 3];
        const { loss, squared } = autoencoderLoss(model, videoFromBytes(frames, shape), { kl });
        loss.backward();
        return {
          samples: job.batchSize,
          // of values in -1..1: the peak is 2
          losses: { loss: loss.item(), [`psnr${job.numFrames}`]: psnrOf(squared.item()) },
        };
      },
      async sample(step) {
        const rows = noGrad(() =>
          validation.map((clip) => ({ clip, back: tidy(() => reconstruct(model, clip)).keep() })),
        );
        const figure = rows.reduce((sum, { clip, back }) => sum + psnr(back, clip), 0);
        await contactSheet(
          rows.slice(0, 6).map(({ clip, back }) => ({ images: [clip, back] })),
          run.path('samples', `autoencoder-${String(step).padStart(6, '0')}.png`),
          { columns: ['held out', 'reconstruction'], framesPerClip: 4, scale: 2 },
        );
        for (const { back } of rows) back.dispose();
        return { heldOutPsnr: figure / rows.length };
      },
      report,
      signal,
    });
  } finally {
    for (const clip of validation) clip.dispose();
    await loader.close();
  }
}

/** 10 log10(peak² / mse) with a peak of 2. */
const psnrOf = (meanSquaredError: number): number => 10 * Math.log10(4 / meanSquaredError);

/** video [B, 3, F, H, W] → the same, through latents */
export function reconstruct(model: Autoencoder, video: Tensor): Tensor {
  const decoded = model.decode(model.encode(video).mode()).to('float32');
  return decoded.narrow(2, decoded.size(2) - video.size(2), video.size(2)).contiguous();
}

/** Kept clips [1, 3, F, H, W] of the held-out part. */
async function heldOutClips(recipe: Recipe): Promise<Tensor[]> {
  const { width, height, maxObjects } = recipe.miniworld;
  const { numFrames } = recipe.latents;
  const loader = miniWorldLoader({ workers: 1 });
  try {
    const batch = await loader.run({
      width,
      height,
      maxObjects,
      numFrames,
      split: 'heldout',
      firstSeed: 0,
      batchSize: VALIDATION_CLIPS,
    });
    const shape = [VALIDATION_CLIPS, numFrames, height, width, 3];
    return tidy(() =>
      videoFromBytes(batch.frames, shape)
        .split(1, 0)
        .map((clip) => clip.contiguous().clone().keep()),
    );
  } finally {
    await loader.close();
  }
}
