/** The recipe that distils a finished pipeline to few steps, from what is known about the pipeline. */
import { basename, dirname, resolve } from 'node:path';
import { InputError } from '../errors.js';
import { tokensOf } from '../models/latent-grid.js';
import { resolvePipeline } from '../pipeline/find.js';
import { readScheduler, readSettings } from '../pipeline/index.js';
import { readShape } from '../pipeline/shape.js';
import { TASK_IDS, taskOf, weightedTasks } from '../tasks/index.js';
import type { RecipeInput } from './recipe/config.js';
import { type TrainOptions, train } from './train.js';
import type { Training } from './training.js';

export interface DistilOptions {
  /**
   * folders, manifests or shards of pictures and clips like those that the pipeline was trained on;
   * default: MiniWorld, for small pipelines alone
   */
  data?: readonly string[];
  /** sampling steps of the finished pipeline, which can still be asked for others; default: 4 */
  numInferenceSteps?: number;
  /** optimizer steps; default: 3000 */
  trainSteps?: number;
  /** default: 1e-4 for small pipelines, 5e-5 for others */
  learningRate?: number;
  /** size of the samples; default: the pipeline's */
  size?: { width: number; height: number };
  /** frames of the clips, 4k + 1; default: the pipeline's */
  numFrames?: number;
  /** default: those that the pipeline was trained on */
  tasks?: readonly string[];
  seed?: number;
}

/**
 * Distils a pipeline to few steps, and writes everything into a run folder; see `train`.
 *
 *     const { pipeline } = await distil('models/mfm-mini', { trainSteps: 3000 });
 *
 * @param pipeline   a folder, or ORG/NAME that `mfm pull` downloaded
 * @throws InputError as `distilRecipe` and `train` do
 */
export function distil(
  pipeline: string,
  options: DistilOptions & Omit<TrainOptions, 'init' | 'changes' | 'tasks' | 'datasets'> = {},
): Training {
  const { run, resume, onEvent, signal, workers, cache, checkMemory, device, job, ...own } =
    options;
  const running = { run, resume, onEvent, signal, workers, cache, checkMemory, device, job };
  return train(distilRecipe(pipeline, own), running);
}

/** Pipelines of fewer parameters learn faster, and from scenes of MiniWorld. */
const SMALL = 100e6;
/** Clips in a step. */
const CLIPS = 16;
/** Tokens that are computed at once, and above which activations are computed a second time. */
const [AT_ONCE, LONG] = [1280, 4096];

/** @throws InputError if the pipeline cannot be found, or needs data of its own */
export function distilRecipe(pipeline: string, options: DistilOptions = {}): RecipeInput {
  const folder = resolvePipeline(pipeline);
  const settings = readSettings(folder);
  const isSmall = readShape(folder).parts.transformer.parameters < SMALL;
  const { data = [], size = settings, numFrames = settings.numFrames, seed } = options;
  if (data.length === 0 && !isSmall) {
    throw new InputError(
      '`data` is missing: give pictures and clips like those that the pipeline was trained on, as a folder, a manifest or shards; scenes of MiniWorld are for small pipelines alone',
      { field: 'data' },
    );
  }
  const { width, height } = size;
  const clip = tokensOf({ width, height, numFrames });
  // one's own tasks, which a pipeline may know too, are not known here
  const known = settings.tasks?.filter((id) => (TASK_IDS as readonly string[]).includes(id));
  const named = options.tasks ?? known;
  const tasks = named && Object.fromEntries(named.map((id) => [id, taskOf(id).weight]));
  const makes = new Set(weightedTasks(tasks).map(({ task }) => task.result));
  const images = makes.has('image') ? (makes.has('video') ? IMAGES : 1) : 0;
  return {
    name: `distil-${nameOf(folder)}`,
    seed,
    base: folder,
    data: data.length > 0 ? data.map((manifest) => ({ manifest })) : [{ miniworld: SCENES }],
    distillation: {
      steps: options.trainSteps,
      learningRate: options.learningRate ?? (isSmall ? 1e-4 : 5e-5),
      inferenceSteps: options.numInferenceSteps,
      width,
      height,
      numFrames,
      tokensPerBatch: CLIPS * clip,
      tokensPerMicroBatch: Math.max(clip, AT_ONCE),
      gradCheckpointing: clip > LONG,
      // the noise levels that are sampled are those that are trained
      timestepShift: readScheduler(folder).shift,
      imageShare: [images, images],
      mixAt: 0,
      tasks,
    },
  };
}

/** Scenes of MiniWorld to distil with, and the share of steps on images where there are clips too. */
const [SCENES, IMAGES] = [{ clips: 2000, images: 4000 }, 0.3];

/** The name of a run: that of a pipeline's folder or, of a run's result, that of the run. */
function nameOf(folder: string): string {
  const path = resolve(folder);
  const name = basename(basename(path) === 'pipeline' ? dirname(path) : path);
  return name.replaceAll(/[^\w.-]/g, '-');
}
