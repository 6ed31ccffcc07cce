/** Batches of MiniWorld samples, side by side in one buffer each, made here or in worker threads. */
import { MfmError } from '../../errors.js';
import {
  createWorkerPool,
  type WorkerPool,
  type WorkerPoolOptions,
  workerBeside,
} from '../loader.js';
import { type MiniWorldOptions, miniWorld } from './index.js';
import type { Scene } from './scene.js';

/** The samples of seeds `firstSeed` to `firstSeed + batchSize - 1`, all of one size and length. */
export interface MiniWorldJob extends MiniWorldOptions {
  firstSeed: number;
  batchSize: number;
}

export interface MiniWorldBatch {
  job: MiniWorldJob;
  /** [B, F, H, W, 3] */
  frames: Uint8Array<ArrayBuffer>;
  /** [B, F, H, W], see `Rendered` */
  depth: Float32Array<ArrayBuffer>;
  /** [B, F, H, W] */
  masks: Uint8Array<ArrayBuffer>;
  captions: string[];
  motionScores: number[];
  scenes: Scene[];
}

/** @throws MfmError naming the seed of the sample that failed */
export function makeBatch(job: MiniWorldJob): MiniWorldBatch {
  const { firstSeed, batchSize, width, height, numFrames } = job;
  const size = numFrames * height * width;
  const batch: MiniWorldBatch = {
    job,
    frames: new Uint8Array(batchSize * size * 3),
    depth: new Float32Array(batchSize * size),
    masks: new Uint8Array(batchSize * size),
    captions: [],
    motionScores: [],
    scenes: [],
  };
  for (let i = 0; i < batchSize; i++) {
    const sample = sampleOf(firstSeed + i, job);
    batch.frames.set(sample.frames, i * size * 3);
    batch.depth.set(sample.depth, i * size);
    batch.masks.set(sample.masks, i * size);
    batch.captions.push(sample.caption);
    batch.motionScores.push(sample.motionScore);
    batch.scenes.push(sample.scene);
  }
  return batch;
}

function sampleOf(seed: number, options: MiniWorldOptions) {
  try {
    return miniWorld(seed, options);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new MfmError(`miniworld seed ${seed}: ${message}`, { cause });
  }
}

/**
 * A pool of threads that makes batches: `loader.stream(jobs)` yields them in the jobs' order.
 * Close it when done.
 */
export function miniWorldLoader(
  options: Omit<WorkerPoolOptions<MiniWorldJob>, 'describe'> = {},
): WorkerPool<MiniWorldJob, MiniWorldBatch> {
  return createWorkerPool(workerBeside(import.meta.url, 'worker'), {
    ...options,
    describe: ({ firstSeed, batchSize }) => `seeds ${firstSeed} to ${firstSeed + batchSize - 1}`,
  });
}
