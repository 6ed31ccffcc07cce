/** Batches of pictures with exact depth, drawn without end in threads. */
import { findPhotos } from '../../../data/miniworld/looks/photo-files.js';
import type { Split } from '../../../data/miniworld/vocabulary.js';
import { drawWeighted, RandomStream } from '../../../data/random.js';
import { createWorkerPool, type WorkerPool, workerBeside } from '../../../data/worker-pool.js';
import type { Source } from '../../loop/source.js';
import type { DepthModelPlan } from '../../recipe/config.js';
import type { MadePicture, PictureJob } from './make-picture.js';
import { STRETCHES } from './stretches.js';

/** This process's pictures of a batch. */
export interface PictureBatch {
  /** number of the batch */
  step: number;
  width: number;
  height: number;
  /** number of pictures in the whole batch, over all processes */
  count: number;
  pictures: MadePicture[];
}

export interface PicturesOptions {
  plan: DepthModelPlan;
  seed: number;
  /** number of threads */
  workers?: number;
  /** called once for each photo that cannot be read */
  onSkip?: (reason: string) => void;
  /** which pictures of each batch this process makes: every `size`-th */
  world: { rank: number; size: number };
}

/** Number of batches that are being drawn or wait to be taken. */
const AHEAD = 4;

/** Draws pictures with a pool of threads. */
export class Pictures {
  private readonly said = new Set<string>();

  private constructor(
    private readonly options: PicturesOptions,
    private readonly pool: WorkerPool<PictureJob, MadePicture>,
  ) {}

  /** @throws InputError if the plan's photos cannot be read */
  static async open(options: PicturesOptions): Promise<Pictures> {
    const { plan, workers } = options;
    const data =
      plan.photos === undefined
        ? null
        : await findPhotos(plan.photos, (_, reason) => options.onSkip?.(reason));
    const describe = ({ label, seed }: PictureJob) => `picture "${label}" of seed ${seed}`;
    const url = workerBeside(import.meta.url, 'worker');
    return new Pictures(options, createWorkerPool(url, { workers, describe, data }));
  }

  /** The batches from a number on; each follows from the seed and its number. */
  batchesFrom(first: number): Source<PictureBatch> {
    const queue: Promise<PictureBatch>[] = [];
    let step = first;
    let closed = false;
    const fill = () => {
      while (!closed && queue.length < AHEAD) {
        const batch = this.batch(step++);
        batch.catch(() => {}); // reported when its turn comes
        queue.push(batch);
      }
    };
    fill();
    return {
      async next() {
        const next = queue.shift()!;
        fill();
        const batch = await next;
        return { batch, position: batch.step + 1 };
      },
      async close() {
        closed = true;
        await Promise.allSettled(queue);
      },
    };
  }

  /** Held-out pictures of one kind at the plan's size, always the same, none of them disturbed. */
  async heldOut(kind: 'plain' | 'look', count: number): Promise<PictureBatch> {
    const { width, height } = this.options.plan;
    const jobs = Array.from({ length: count }, (_, i) =>
      this.job(`held out ${kind} ${i}`, { width, height, kind, split: 'heldout' }),
    );
    const pictures = await this.made(jobs);
    return { step: 0, width, height, count, pictures };
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  private async batch(step: number): Promise<PictureBatch> {
    const { plan, seed, world } = this.options;
    const { sides } = drawWeighted(new RandomStream(seed, `depth ${step}`), STRETCHES);
    const [wide, high] = sides;
    const width = Math.round((plan.width * wide) / plan.patchSize) * plan.patchSize;
    const height = Math.round((plan.height * high) / plan.patchSize) * plan.patchSize;
    const places = Array.from({ length: plan.batchSize }, (_, i) => i);
    const jobs = places
      .filter((i) => i % world.size === world.rank)
      .map((i) => this.job(`depth ${step} ${i}`, { width, height, kind: null, split: 'train' }));
    const pictures = await this.made(jobs);
    return { step, width, height, count: plan.batchSize, pictures };
  }

  private async made(jobs: readonly PictureJob[]): Promise<MadePicture[]> {
    const pictures = await Promise.all(jobs.map((job) => this.pool.run(job)));
    for (const problem of pictures.flatMap(({ problems }) => problems)) {
      if (!this.said.has(problem)) this.options.onSkip?.(problem);
      this.said.add(problem);
    }
    return pictures;
  }

  private job(
    label: string,
    what: Pick<PictureJob, 'width' | 'height' | 'kind'> & { split: Split },
  ): PictureJob {
    const { plan, seed } = this.options;
    return { ...what, seed, label, plainShare: plan.plainShare, disturbed: what.split === 'train' };
  }
}
