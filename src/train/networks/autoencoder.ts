/** Trains the autoencoder on images and clips. */
import { contactSheet } from '../../media/index.js';
import { psnr } from '../../media/pixels/psnr.js';
import {
  Autoencoder,
  autoencoderLoss,
  initialiseAutoencoder,
} from '../../models/autoencoder/index.js';
import { loadWeights } from '../../nn/index.js';
import { inWords } from '../../pipeline/generate/fitting.js';
import {
  cat,
  type DType,
  manualSeed,
  noGrad,
  randn,
  stack,
  type Tensor,
  tidy,
  upload,
} from '../../tensor/index.js';
import { videoFromBytes } from '../feed/frames-to-video.js';
import type { FrameBatch } from '../feed/index.js';
import { sampleGenerator } from '../feed/sample-noise.js';
import { trainLoop } from '../loop/loop.js';
import type { StepOutcome } from '../loop/means.js';
import { keptForStep, type Sent } from '../loop/source.js';
import { type Recipe, sizeOfKind } from '../recipe/config.js';
import { autoencoderConfigOf } from '../recipe/networks.js';
import type { PartContext } from './context.js';

/** Number of held-out clips whose PSNR is reported. */
const VALIDATION_CLIPS = 16;

export function buildAutoencoder(recipe: Recipe, dtype: DType): Autoencoder {
  manualSeed(recipe.seed);
  const model = new Autoencoder(autoencoderConfigOf(recipe));
  return initialiseAutoencoder(model).toDtype(dtype);
}

/** The autoencoder that training begins with: that of the recipe's `init`, or a new one. */
export function firstAutoencoder(recipe: Recipe, dtype: DType): Autoencoder {
  const model = buildAutoencoder(recipe, dtype);
  const { init } = recipe;
  if (init) loadWeights(model, `${init}/vae`, 'diffusion_pytorch_model', dtype);
  return model;
}

/** @returns false if the signal stopped it */
export async function trainAutoencoder(model: Autoencoder, context: PartContext): Promise<boolean> {
  const { run, recipe, data, report, signal } = context;
  const { kl, train: which, keepLatents, ...config } = recipe.autoencoder;
  const sizes = new Set(config.batches.map((kind) => inWords(sizeOfKind(kind, config))));
  const { device } = model;
  const { dtype } = model.encoder.convIn.conv.weight;
  const first = keepLatents > 0 ? firstAutoencoder(recipe, dtype).moveTo(device, dtype) : null;
  const latentsToKeep = (video: Tensor) =>
    first && { latents: noGrad(() => first.encode(video).mode()), weight: keepLatents };
  const validation: Tensor[] = [];
  let heading = '';
  const { rank, size } = run.parallel;
  /** places of this process's samples in the whole batch */
  const places = (count: number) => Array.from({ length: count }, (_, i) => rank + i * size);
  const noiseAt = (step: number, index: number, shape: number[]) =>
    randn([1, ...shape], { generator: sampleGenerator(recipe.seed, step, index) });
  const isTrained = (name: string) => which === 'all' || name.startsWith('decoder.');
  model.encoder.requiresGrad_(which === 'all');
  try {
    return await trainLoop<FrameBatch, Sent & { video: Tensor }>({
      part: 'autoencoder',
      run,
      stages: [config],
      seed: recipe.seed,
      parameters: new Map([...model.namedParameters()].filter(([name]) => isTrained(name))),
      open: (_, position) => data.openFrames(position),
      send(batch) {
        if (batch.batchSize === 0) return null;
        const video = videoOf(batch, device);
        return { video, ...keptForStep([video]) };
      },
      train(batch, { step, backward, sent }): StepOutcome {
        const { batchSize, count, numFrames } = batch;
        const length = `${numFrames} frame${numFrames > 1 ? 's' : ''}`;
        const kind = sizes.size > 1 ? `${length} ${inWords(batch)}` : length;
        if (batchSize === 0) {
          backward(null, true);
          return { samples: 0, count, figures: {} };
        }
        const video = sent?.video ?? videoOf(batch, device);
        const { loss, squared } = autoencoderLoss(model, video, {
          kl,
          noise: ([, ...shape]) =>
            upload(cat(places(batchSize).map((i) => noiseAt(step, i, shape))), device),
          near: latentsToKeep(video),
        });
        backward(loss.mul(batchSize / count), true);
        const mean = (value: number) => ({ sum: value * batchSize, count: batchSize });
        return {
          samples: batchSize,
          count,
          figures: {},
          measured: {
            values: stack([loss.detach(), squared.detach()]),
            figures: ([loss, squared]) => ({
              loss: mean(loss!),
              [`psnr/${kind}`]: mean(psnrOf(squared!)),
            }),
          },
        };
      },
      async sample(_, step, tell): Promise<StepOutcome['figures']> {
        if (run.parallel.rank !== 0) return {};
        if (validation.length === 0) {
          const kept = await clipsToMeasure(context);
          validation.push(...kept.clips);
          heading = kept.heading;
        }
        if (validation.length === 0) return {};
        const rows = noGrad(() =>
          validation.map((clip, i) => {
            tell(i, validation.length);
            return {
              clip,
              back: tidy(() => reconstruct(model, upload(clip, device)).to('cpu')).keep(),
            };
          }),
        );
        const figure = rows.reduce((sum, { clip, back }) => sum + psnr(back, clip), 0);
        const path = run.path('samples', `autoencoder-${String(step).padStart(6, '0')}.png`);
        await contactSheet(
          rows.slice(0, 6).map(({ clip, back }) => ({ images: [clip, back] })),
          path,
          { columns: [heading, 'reconstruction'], framesPerClip: 4, scale: 2 },
        );
        run.logSheet('samples', path, step);
        for (const { back } of rows) back.dispose();
        return { 'validation/psnr': { sum: figure, count: rows.length } };
      },
      report,
      signal,
    });
  } finally {
    first?.dispose();
    for (const clip of validation) clip.dispose();
  }
}

/** [B, 3, F, H, W] */
const videoOf = ({ frames, batchSize, numFrames, height, width }: FrameBatch, device: string) =>
  videoFromBytes(frames, [batchSize, numFrames, height, width, 3], device);

/** PSNR in dB, 10 log10(peak² / mse), with a peak of 2. */
const psnrOf = (meanSquaredError: number): number => 10 * Math.log10(4 / meanSquaredError);

/** Encodes and decodes a video [B, 3, F, H, W]. */
export function reconstruct(model: Autoencoder, video: Tensor): Tensor {
  const decoded = model.decode(model.encode(video).mode()).to('float32');
  return decoded.narrow(2, decoded.size(2) - video.size(2), video.size(2)).contiguous();
}

/**
 * Clips [1, 3, F, H, W] for validation, of the greatest length available: held-out ones or, if
 * there are none, some that are trained on. None at all if the recipe asks for no validation.
 */
async function clipsToMeasure({
  recipe,
  data,
}: PartContext): Promise<{ clips: Tensor[]; heading: string }> {
  if (recipe.validationSamples === 0) return { clips: [], heading: '' };
  const lengths = [...new Set(recipe.autoencoder.batches.map(({ numFrames }) => numFrames))];
  for (const part of ['heldOut', 'items'] as const) {
    for (const numFrames of lengths.sort((a, b) => b - a)) {
      const found = await data.someFrames(part, numFrames, VALIDATION_CLIPS);
      if (!found) continue;
      const { frames, batchSize, ...size } = found;
      const shape = [batchSize, size.numFrames, size.height, size.width, 3];
      const clips = tidy(() =>
        videoFromBytes(frames, shape)
          .split(1, 0)
          .map((clip) => clip.contiguous().clone().keep()),
      );
      return { clips, heading: part === 'heldOut' ? 'held out' : 'trained on' };
    }
  }
  return { clips: [], heading: '' };
}
