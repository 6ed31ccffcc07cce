/**
 * A whole run: autoencoder, latents, adapter, transformer, pipeline folder. Each part resumes where
 * it stopped.
 */
import { existsSync } from 'node:fs';
import { isAbort } from '../errors.js';
import type { Autoencoder } from '../models/autoencoder/index.js';
import { openPipeline } from '../pipeline/index.js';
import type { OwnTasks } from '../tasks/index.js';
import { type DType, noGrad, openSafetensors, saveSafetensors, tidy } from '../tensor/index.js';
import { videoFromBytes } from './feed/frames-to-video.js';
import type { Datasets, FrameBatch } from './feed/index.js';
import { TrainingData } from './feed/training-data.js';
import { trainAdapter } from './networks/adapter.js';
import { buildAutoencoder, firstAutoencoder, trainAutoencoder } from './networks/autoencoder.js';
import type { PartContext } from './networks/context.js';
import { DEPTH_FOLDER, trainDepthModel } from './networks/depth-model.js';
import { distil } from './networks/distil.js';
import { forgetUnknownDepth, startFrom } from './networks/initial/initial-weights.js';
import { normaliseLatents } from './networks/normalise-latents.js';
import {
  buildTrainedPipeline,
  exportFinished,
  moveTo,
  openTrainedPipeline,
  type TrainedPipelineSource,
} from './networks/trained-pipeline.js';
import { trainTransformer } from './networks/transformer.js';
import {
  firstWeightsOf,
  onlyDistils,
  type Recipe,
  trainedDepthModel,
  trainsPipeline,
} from './recipe/config.js';
import { withDepthModel } from './recipe/depth-model.js';
import { dtypeOf } from './recipe/networks.js';
import { hasBegunToDistil } from './run/run-contents.js';

export interface PartsOptions extends Omit<PartContext, 'data' | 'recipe' | 'device'> {
  recipe: Recipe;
  /** default: cpu */
  device?: string;
  /** where latents, frames and measurements are cached; default: `cache` in the run folder */
  cacheFolder?: string;
  /** number of threads that prepare samples; default: one per processor, at most 4 */
  workers?: number;
  /** tasks beside those of mfm */
  ownTasks?: OwnTasks;
  /** the program's own data sets, which the recipe's `data` name */
  datasets?: Datasets;
}

/**
 * Trains the parts in turn, writes `pipeline/` into the run folder, and closes the run. Call
 * `expectTrainable` first, which reports what cannot be trained.
 * @returns false if the signal stopped it; the same call with the same folder resumes
 */
export async function trainParts(options: PartsOptions): Promise<boolean> {
  const { run, report, signal } = options;
  let data: TrainingData | null = null;
  const networks: { dispose(): void }[] = [];
  const { device = 'cpu' } = options;
  const dtype = dtypeOf(options.recipe, device);
  try {
    const depthModel = trainedDepthModel(options.recipe);
    if (depthModel && !(await trainDepthModel(depthModel, { ...options, device }, dtype)))
      return stopped(options);
    if (!trainsPipeline(options.recipe)) {
      run.keepRecipe();
      run.setStatus({ state: 'finished' });
      return true;
    }
    const carried = depthModel ? run.path(DEPTH_FOLDER) : options.recipe.depthModel?.from;
    const recipe = withDepthModel(options.recipe, carried);
    run.setStatus({ doing: 'measuring files' });
    data = await TrainingData.open({ ...options, recipe });
    run.setStatus({ doing: undefined });
    const context: PartContext = { recipe, run, data, report, signal, device };
    const autoencoder = await finishedAutoencoder(context, dtype);
    if (!autoencoder) return stopped(context);
    networks.push(autoencoder);
    const source: TrainedPipelineSource = {
      recipe,
      autoencoder,
      dtype,
      tasks: data.trainedTasks(),
      depthModel: carried,
      usesDepth: data.usesDepth(),
      ownTasks: data.ownTasks.tasks,
    };
    run.setStatus({ doing: 'encoding latents' });
    if (!(await data.encode(autoencoder))) return stopped(context);
    run.setStatus({ doing: 'estimating depth' });
    if (!(await data.estimateDepth(dtype, device))) return stopped(context);
    run.setStatus({ doing: undefined });
    const trainee = recipe.base
      ? openTrainedPipeline(source)
      : buildTrainedPipeline(source, await data.meanMotionScore());
    networks.push(trainee.pipeline, ...(trainee.lora ? [trainee.lora] : []));
    const from = firstWeightsOf(recipe);
    if (from) startFrom(trainee, from, dtype, data.ownTasks.tasks);
    if (recipe.base)
      forgetUnknownDepth(trainee.pipeline.transformer, recipe.base, data.ownTasks.tasks);
    moveTo(trainee, device);
    if (!(await trainAdapter(trainee.pipeline, context))) return stopped(context);
    if (!onlyDistils(recipe)) {
      if (!(await trainTransformer(trainee, context))) return stopped(context);
      await run.parallel.together(() => {
        if (!hasBegunToDistil(run.folder)) exportFinished(trainee, run);
      });
    }
    const distilled = recipe.distillation ? await distil(trainee, context) : trainee;
    if (!distilled) return stopped(context);
    networks.push(distilled.pipeline);
    if (recipe.distillation) await run.parallel.together(() => exportFinished(distilled, run));
    run.keepRecipe();
    run.setStatus({ state: 'finished' });
    return true;
  } catch (error) {
    if (isAbort(error)) return stopped(options);
    run.setStatus({ state: 'failed', message: (error as Error).message });
    throw error;
  } finally {
    for (const network of networks) network.dispose();
    await data?.close();
    run.close();
  }
}

function stopped({ run }: Pick<PartContext, 'run'>): false {
  run.setStatus({ state: 'stopped' });
  return false;
}

/** The autoencoder, opened from a folder or trained; null if its training was stopped. */
async function finishedAutoencoder(
  context: PartContext,
  dtype: DType,
): Promise<Autoencoder | null> {
  const { recipe, run, device } = context;
  const from = recipe.base ?? recipe.autoencoder.from;
  if (from) return openPipeline(from, { dtype, device, oneAtATime: false }).autoencoder;
  const path = run.path('autoencoder.safetensors');
  const [isFixed] = await run.parallel.together(() => existsSync(path));
  const autoencoder = isFixed ? buildAutoencoder(recipe, dtype) : firstAutoencoder(recipe, dtype);
  if (!isFixed) {
    autoencoder.moveTo(device, dtype);
    if (!(await trainAutoencoder(autoencoder, context))) {
      autoencoder.dispose();
      return null;
    }
    await run.parallel.together(() => scaleLatents(autoencoder, path, context));
  }
  autoencoder.loadStateDict(openSafetensors(path), { where: path });
  return autoencoder.requiresGrad_(false).eval().moveTo(device, dtype);
}

/** Number of clips that the scale of the latents is measured on. */
const SCALE_CLIPS = 64;

/**
 * Scales the autoencoder's latents to unit variance, unless they were to stay as they are, and stores it,
 * once: all latents are then made with it.
 */
async function scaleLatents(
  autoencoder: Autoencoder,
  path: string,
  { run, data, recipe, device }: PartContext,
): Promise<void> {
  if (run.parallel.rank > 0) return;
  const { train: which, keepLatents } = recipe.autoencoder;
  if (which === 'decoder' || keepLatents > 0) {
    tidy(() => saveSafetensors(path, autoencoder.stateDict()));
    return;
  }
  const lengths = [data.stages, recipe.autoencoder.batches].flat().map((one) => one.numFrames);
  const longestFirst = [...new Set(lengths)].filter((one) => one > 1).sort((a, b) => b - a);
  const images = await data.someFrames('items', 1, SCALE_CLIPS);
  let clips: FrameBatch | null = null; // the longest that there are
  for (const numFrames of longestFirst)
    clips ??= await data.someFrames('items', numFrames, SCALE_CLIPS);
  const batches = [images, clips].filter((one) => one !== null);
  noGrad(() =>
    tidy(() => {
      const videos = batches.flatMap(({ frames, batchSize, numFrames, height, width }) =>
        videoFromBytes(frames, [batchSize, numFrames, height, width, 3], device).split(1, 0),
      );
      normaliseLatents(autoencoder, videos);
      saveSafetensors(path, autoencoder.stateDict());
    }),
  );
}
