/**
 * The data set of the transformer: MiniWorld clips and images, drawn and encoded once, in files of
 * the run folder. They are mapped, so memory holds what is used.
 */
import { existsSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type MiniWorldJob, miniWorldLoader } from '../data/miniworld/batch.js';
import { drawScene, type SceneOptions } from '../data/miniworld/index.js';
import { sceneSample } from '../data/miniworld/sample.js';
import type { Sample } from '../data/sample.js';
import type { Autoencoder } from '../models/autoencoder/index.js';
import { toModelLatents } from '../pipeline/index.js';
import {
  cat,
  fromArray,
  noGrad,
  openSafetensors,
  saveSafetensors,
  type Tensor,
  tidy,
} from '../tensor/index.js';
import type { PartContext } from './autoencoder.js';
import { videoFromTensor } from './batches.js';

/** Samples in a file. */
const SHARD = { image: 2048, clip: 256 };
/** Samples encoded at once. */
const CHUNK = { image: 64, clip: 8 };
/** Seeds of the transformer's images and clips, away from each other. */
const FIRST_SEED = { image: 2 ** 41, clip: 2 ** 42 };

export type SampleKind = 'image' | 'clip';

export interface EncodedSample {
  /** [1, C, f, h, w] bfloat16, in the transformer's scale */
  latents: Tensor;
  sample: Sample;
  motionScore: number;
}

/** Encoded samples by index. */
export class LatentSet {
  private readonly shards: {
    frames: Tensor;
    latents: Tensor;
    captions: string[];
    motionScores: number[];
  }[];

  constructor(
    readonly kind: SampleKind,
    readonly size: number,
    paths: string[],
    private readonly world: SceneOptions,
  ) {
    this.shards = paths.map((path) => {
      const file = openSafetensors(path);
      return {
        frames: file.get('frames').keep(),
        latents: file.get('latents').keep(),
        captions: JSON.parse(file.metadata.captions!),
        motionScores: JSON.parse(file.metadata.motionScores!),
      };
    });
  }

  get(index: number): EncodedSample {
    const shard = this.shards[Math.floor(index / SHARD[this.kind])]!;
    const i = index % SHARD[this.kind];
    const frames = shard.frames.select(0, i); // [F, H, W, 3]
    const [numFrames, height, width] = frames.dims(4);
    const scene = drawScene(FIRST_SEED[this.kind] + index, this.world);
    const clip = { numFrames, height, width, data: frames.data() as Uint8Array };
    return {
      latents: shard.latents.narrow(0, i, 1),
      sample: sceneSample(scene, clip, shard.captions[i]!),
      motionScore: shard.motionScores[i]!,
    };
  }

  /** Mean motion score, for the pipeline's default. */
  meanMotionScore(): number {
    const scores = this.shards.flatMap((shard) => shard.motionScores);
    return scores.reduce((a, b) => a + b, 0) / scores.length;
  }
}

/**
 * Draws and encodes what is missing of a set.
 * @returns null if the signal stopped it; finished files stay
 */
export async function encodeSet(
  kind: SampleKind,
  autoencoder: Autoencoder,
  { run, recipe, report, signal }: PartContext,
): Promise<LatentSet | null> {
  const { width, height, maxObjects } = recipe.miniworld;
  const [size, numFrames] =
    kind === 'image'
      ? [recipe.latents.images, 1]
      : [recipe.latents.clips, recipe.latents.numFrames];
  const paths: string[] = [];
  const loader = miniWorldLoader({ workers: 1, queue: 4 });
  report.start(`encoding ${kind}s`, size, 0);
  try {
    for (let first = 0; first < size; first += SHARD[kind]) {
      const path = run.path(
        'latents',
        `${kind}-${String(paths.length).padStart(4, '0')}.safetensors`,
      );
      paths.push(path);
      if (existsSync(path)) continue;
      const count = Math.min(SHARD[kind], size - first);
      const jobs: MiniWorldJob[] = [];
      for (let i = 0; i < count; i += CHUNK[kind]) {
        const batchSize = Math.min(CHUNK[kind], count - i);
        const firstSeed = FIRST_SEED[kind] + first + i;
        jobs.push({ width, height, maxObjects, numFrames, split: 'train', firstSeed, batchSize });
      }
      const parts: { frames: Tensor; latents: Tensor }[] = [];
      const captions: string[] = [];
      const motionScores: number[] = [];
      for await (const batch of loader.stream(jobs)) {
        const part = tidy(() => {
          const shape = [batch.job.batchSize, numFrames, height, width, 3];
          const frames = fromArray(batch.frames, shape);
          return { frames: frames.keep(), latents: encode(autoencoder, frames).keep() };
        });
        parts.push(part);
        captions.push(...batch.captions);
        motionScores.push(...batch.motionScores);
        report.update(first + captions.length, '');
        await setImmediate();
        if (signal.aborted) return null;
      }
      tidy(() => {
        const join = (name: 'frames' | 'latents') => cat(parts.map((part) => part[name]));
        const metadata = {
          captions: JSON.stringify(captions),
          motionScores: JSON.stringify(motionScores),
        };
        saveSafetensors(path, { frames: join('frames'), latents: join('latents') }, metadata);
      });
      for (const { frames, latents } of parts) for (const t of [frames, latents]) t.dispose();
    }
    return new LatentSet(kind, size, paths, {
      maxObjects,
      image: kind === 'image',
      split: 'train',
    });
  } finally {
    report.end();
    await loader.close();
  }
}

/** uint8 frames [B, F, H, W, 3] → latents in the transformer's scale, bfloat16 */
function encode(autoencoder: Autoencoder, frames: Tensor): Tensor {
  return noGrad(() => {
    const latents = autoencoder.encode(videoFromTensor(frames)).mode();
    return toModelLatents(latents.to('float32')).to('bfloat16');
  });
}
