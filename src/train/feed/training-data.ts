/** The data of a run: its sources, which are opened once, the cache, and the feeds of each part. */
import { DataStore } from '../../data/store.js';
import type { Autoencoder } from '../../models/autoencoder/index.js';
import { captionLimit } from '../../pipeline/caption-limit.js';
import { allTasks, NO_OWN_TASKS, type OwnTasks } from '../../tasks/index.js';
import type { DType } from '../../tensor/index.js';
import type { Reporter } from '../loop/reporter.js';
import type { Source } from '../loop/source.js';
import type { TrainedPipeline } from '../networks/trained-pipeline.js';
import {
  type Source as DataSource,
  type Recipe,
  type Stage,
  sizeOfKind,
} from '../recipe/config.js';
import { stagesOf } from '../recipe/stages.js';
import type { Run } from '../run/run.js';
import type { StepBatch } from './batch.js';
import { type EncodeText, storedText } from './encode/text-states.js';
import {
  type AheadOptions,
  apartFromHeldOut,
  type Datasets,
  depthLines,
  depthMaps,
  encodeAhead,
  estimateAhead,
  expectSamples,
  type FeedOptions,
  type FeedPosition,
  type FrameBatch,
  firstFrameBatch,
  type LatentEncoder,
  LEAST_TO_MEASURE,
  latentEncoder,
  meanMotionScore,
  type OpenedSource,
  openFeed,
  openFrameFeed,
  SampleMaker,
  someFromModel,
  someHaveDepth,
  sourceOpener,
  stageLines,
  stageSet,
  stageTallies,
  taskShares,
  validationBatches,
  withoutHeldOut,
} from './index.js';
import { cutCaptionLines, leftOutLines } from './left-out.js';

export interface DataOptions {
  recipe: Recipe;
  run: Run;
  report: Reporter;
  signal: AbortSignal;
  /** where latents, frames and measurements are cached; default: `cache` in the run folder */
  cacheFolder?: string;
  /** number of threads that prepare samples; default: one per processor, at most 4 */
  workers?: number;
  /** tasks beside those of mfm */
  ownTasks?: OwnTasks;
  /** the program's own data sets, which the recipe's `data` name */
  datasets?: Datasets;
}

export class TrainingData {
  private encoder: LatentEncoder | null = null;

  private constructor(
    private readonly options: DataOptions,
    /** the stages of the transformer's training, with the tasks that they may name */
    readonly stages: readonly Stage[],
    private readonly store: DataStore,
    private readonly maker: SampleMaker,
    private readonly sources: ReadonlyMap<string, readonly OpenedSource[]>,
  ) {}

  /** Tasks beside those of mfm. */
  get ownTasks(): OwnTasks {
    return this.options.ownTasks ?? NO_OWN_TASKS;
  }

  /**
   * Reads and measures the sources of all stages.
   * @throws InputError if one cannot be read, or nothing in it can be used
   */
  static async open(options: DataOptions): Promise<TrainingData> {
    const { recipe, run, report, workers, ownTasks = NO_OWN_TASKS, datasets } = options;
    const { cacheFolder = run.path('cache') } = options;
    const stages = stagesOf(recipe, ownTasks.tasks);
    const store = DataStore.open(cacheFolder, {
      rank: run.parallel.rank,
      onWarning: report.log,
    });
    try {
      const sources = await openAll(options, stages, store);
      await run.parallel.together(() => tellTasks(options, stages, sources));
      let lost = 0;
      const onSkip = (where: string, reason: string) =>
        report.log(`${where}: is left out (${reason}); ${++lost} so far`);
      const { cacheFrames } = recipe;
      const maker = new SampleMaker({ store, workers, cacheFrames, ownTasks, datasets, onSkip });
      return new TrainingData(options, stages, store, maker, sources);
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** The batches that the autoencoder is trained on, from a position. */
  async openFrames(position: unknown): Promise<Source<FrameBatch>> {
    const { recipe, run } = this.options;
    const { width, height, batches } = recipe.autoencoder;
    const step = (position as number | null) ?? 0;
    const feed = openFrameFeed({
      maker: this.maker,
      sources: this.sourcesOf(recipe.data),
      width,
      height,
      batches,
      seed: recipe.seed,
      step,
      world: run.parallel,
    });
    return {
      async next() {
        const batch = await feed.next();
        return { batch, position: batch.step + 1 };
      },
      close: () => feed.close(),
    };
  }

  /**
   * `count` samples of a length, from those that the autoencoder is trained on or those held out, at the
   * largest size of that length that it is trained at; null if there are none of that length.
   */
  someFrames(
    part: 'items' | 'heldOut',
    numFrames: number,
    count: number,
  ): Promise<FrameBatch | null> {
    const { recipe } = this.options;
    const { batches, ...plan } = recipe.autoencoder;
    const [largest = plan] = batches
      .filter((kind) => kind.numFrames === numFrames)
      .map((kind) => sizeOfKind(kind, plan))
      .sort((a, b) => b.width * b.height - a.width * a.height);
    return firstFrameBatch({
      maker: this.maker,
      sources: this.sourcesOf(recipe.data),
      part,
      width: largest.width,
      height: largest.height,
      seed: recipe.seed,
      batches: [{ numFrames, batchSize: count, weight: 1 }],
    });
  }

  /**
   * Encodes the latents of all stages that are not cached.
   * @returns false if the signal stopped it
   */
  async encode(autoencoder: Autoencoder): Promise<boolean> {
    const encoder = latentEncoder(autoencoder);
    this.encoder = encoder;
    return this.shared((options) => encodeAhead({ ...options, encoder }));
  }

  /**
   * Estimates the depth of all stages that is not cached, with the recipe's depth model, whose memory
   * is freed afterwards.
   * @returns false if the signal stopped it
   */
  async estimateDepth(dtype: DType, device: string): Promise<boolean> {
    const { model } = this.options.recipe.depth;
    if (model === undefined || !someFromModel(this.staged())) return true;
    const maps = depthMaps(model, dtype, device);
    this.maker.depthMaps = maps;
    try {
      return await this.shared(estimateAhead);
    } finally {
      maps.release();
    }
  }

  /** Do known frames have depth in any stage? */
  usesDepth(): boolean {
    return this.stages.some((stage) =>
      someHaveDepth(stageSet(this.sourcesOf(stage.data), stage), stage),
    );
  }

  /** Computes something ahead of training, each process its share, and reads what the others wrote. */
  private async shared(work: (options: AheadOptions) => Promise<boolean>): Promise<boolean> {
    const { run, report, signal } = this.options;
    const { rank, size } = run.parallel;
    const finished = await run.parallel.together(() =>
      work({ ...this.staged(), maker: this.maker, world: { rank, size }, report, signal }),
    );
    await this.store.refresh();
    return finished.every(Boolean);
  }

  /** The stages with their sources. */
  private staged(): Pick<AheadOptions, 'stages' | 'sources'> {
    const { stages } = this;
    return { stages, sources: stages.map((stage) => this.sourcesOf(stage.data)) };
  }

  /** Ids of the tasks that are trained in any stage, which some sample qualifies for. */
  trainedTasks(): string[] {
    const ids = this.stages.flatMap((stage) => {
      const { image, clip } = taskShares(stageSet(this.sourcesOf(stage.data), stage));
      return [...image.keys(), ...clip.keys()];
    });
    const all = allTasks(this.ownTasks.tasks).map(({ id }) => id);
    return all.filter((id) => ids.includes(id));
  }

  /** The mean motion score of the last stage's clips: the pipeline's default. */
  meanMotionScore(): Promise<number> {
    const stage = this.stages.at(-1)!;
    const options = { maker: this.maker, encoder: this.encoder! };
    return meanMotionScore(stage, this.sourcesOf(stage.data), options);
  }

  /** The batches of a stage; see `LoopOptions.open`. */
  async open(
    stage: Stage,
    position: unknown,
    doneAt: (taken: number) => number,
    factorsAt?: FeedOptions['factorsAt'],
  ): Promise<Source<StepBatch>> {
    const { recipe, run } = this.options;
    const feed = await openFeed({
      maker: this.maker,
      stage,
      sources: this.sourcesOf(stage.data),
      seed: recipe.seed,
      doneAt,
      factorsAt,
      position: position as FeedPosition | null,
      world: run.parallel.split(stage.sequenceParallel),
      encoder: this.encoder!,
    });
    // the step's own batch, and the next one, which a device is sent ahead
    const inUse: StepBatch[] = [];
    const release = (most: number) => {
      for (const { samples } of inUse.splice(0, Math.max(0, inUse.length - most))) {
        for (const { latents } of samples) latents.dispose();
      }
    };
    return {
      async next() {
        const batch = await feed.next();
        inUse.push(batch);
        release(2);
        return { batch, position: batch.position };
      },
      async close() {
        release(0);
        await feed.close();
      },
    };
  }

  /** Validation batches for every task that is trained, each of one task. */
  async validation(stage: Stage): Promise<StepBatch[]> {
    const { recipe } = this.options;
    const batches: StepBatch[] = [];
    const held = validationBatches({
      maker: this.maker,
      stage,
      sources: this.sourcesOf(stage.data),
      samples: recipe.validationSamples,
      encoder: this.encoder!,
    });
    for await (const batch of held) batches.push(batch);
    return batches;
  }

  /**
   * A function that encodes prompts with the pipeline's text encoder; cached unless that is
   * trained.
   */
  encodeText({ pipeline, tokenizer }: Pick<TrainedPipeline, 'pipeline' | 'tokenizer'>): EncodeText {
    const { report, run } = this.options;
    if (run.parallel.rank === 0) {
      const { promptLength } = pipeline.settings;
      const limit = captionLimit(pipeline.tokenizer, promptLength, this.ownTasks.tasks);
      const distinct = new Map([...this.sources.values()].flat().map((one) => [one.name, one]));
      for (const line of cutCaptionLines([...distinct.values()], limit)) report.log(line);
    }
    const learns = pipeline.textEncoder.parameters().some(({ requiresGrad }) => requiresGrad);
    if (learns) return (prompts) => pipeline.encodePrompts(prompts);
    return storedText(pipeline, tokenizer, this.store);
  }

  async close(): Promise<void> {
    await this.maker.close();
    await this.store.close();
  }

  private sourcesOf(data: readonly DataSource[]): readonly OpenedSource[] {
    return this.sources.get(JSON.stringify(data))!;
  }
}

/** The sources of all stages, by their JSON in the recipe; the first process measures what is new. */
async function openAll(
  { recipe, run, report, signal, workers, datasets }: DataOptions,
  stages: readonly Stage[],
  store: DataStore,
): Promise<Map<string, readonly OpenedSource[]>> {
  const { validationSamples } = recipe;
  const { parallel } = run;
  const sources = new Map<string, readonly OpenedSource[]>();
  const openSource = sourceOpener({ store, validationSamples, datasets, workers, report, signal });
  const open = async () => {
    for (const data of [recipe.data, ...stages.map((stage) => stage.data)]) {
      const key = JSON.stringify(data);
      if (sources.has(key)) continue;
      const opened = await openSource(data);
      sources.set(key, opened.sources);
      if (parallel.rank > 0) continue;
      for (const line of leftOutLines(opened)) report.log(line);
    }
    await store.flush();
  };
  await parallel.together(() => (parallel.rank === 0 ? open() : undefined));
  await parallel.together(async () => {
    if (parallel.rank === 0) return;
    await store.refresh();
    await open();
  });
  return apartFromHeldOut(sources);
}

/**
 * Reports, in the first process, what each stage can train.
 * @throws InputError, see `expectSamples`
 */
function tellTasks(
  { recipe, run, report }: DataOptions,
  stages: readonly Stage[],
  sources: ReadonlyMap<string, readonly OpenedSource[]>,
): void {
  if (run.parallel.rank > 0) return;
  const said = new Set<string>();
  for (const stage of stages) {
    const own = sources.get(JSON.stringify(stage.data))!;
    const tallies = stageTallies(own, stage);
    expectSamples(tallies, stage, own);
    // scenes qualify for every task that the recipe may name
    const scenes = own.every(({ miniworld }) => miniworld);
    const lines = scenes ? [] : stageLines(tallies, stage);
    const { from } = stage.depth;
    // of scenes it is exact, as everything is
    if (from !== 'none' && !(scenes && from !== 'model' && from !== 'files')) {
      lines.push(...depthLines(stageSet(own, stage), stage));
    }
    const trainedOn = scenes || recipe.validationSamples === 0 ? [] : withoutHeldOut(own, stage);
    if (trainedOn.length > 0) {
      lines.push(
        `validation and sheets of ${trainedOn.join(', ')} show samples that are also trained on, as none is held out (from ${LEAST_TO_MEASURE} files of a kind on, a tenth is)`,
      );
    }
    for (const line of lines) {
      if (said.has(line)) continue;
      said.add(line);
      report.log(stages.length > 1 ? `${stage.name}: ${line}` : line);
    }
  }
}
