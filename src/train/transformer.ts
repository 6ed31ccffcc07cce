/** Trains transformer and text encoder on encoded images and clips, a task drawn for every sample. */
import { editOf } from '../data/miniworld/edit.js';
import { captionOf, drawScene } from '../data/miniworld/index.js';
import { SchedulerConfig } from '../diffusion/config.js';
import {
  addNoise,
  logitNormalSigmas,
  timestepsOf,
  velocityLosses,
  velocityTarget,
} from '../diffusion/index.js';
import type { Autoencoder } from '../models/autoencoder/index.js';
import {
  buildTokenizer,
  PromptTokenizer,
  parseT5Config,
  T5Encoder,
  type TokenizerFiles,
} from '../models/t5/index.js';
import {
  initialiseForTraining,
  TRANSFORMER_PRESETS,
  Transformer3D,
} from '../models/transformer/index.js';
import { Pipeline, PipelineSettings, residentPart, savePipeline } from '../pipeline/index.js';
import { TASKS, type Task, taggedPrompt, weightedTasks } from '../tasks/index.js';
import { type DType, Generator, manualSeed, randn, tensor } from '../tensor/index.js';
import type { PartContext } from './autoencoder.js';
import { drawIndices, stepRandom } from './batches.js';
import type { Recipe } from './config.js';
import type { EncodedSample, LatentSet } from './latents.js';
import { mixSeed, trainLoop } from './loop.js';
import type { Run } from './run.js';
import { taskSheets } from './samples.js';
import { assemble, meansByTask } from './task-batch.js';

export interface Trainee {
  pipeline: Pipeline;
  tokenizer: TokenizerFiles;
}

/** The pipeline that a recipe describes, with fresh transformer and text encoder. */
export function buildPipeline(
  recipe: Recipe,
  autoencoder: Autoencoder,
  dtype: DType,
  motionScore: number,
): Trainee {
  const { numLayers, numHeads, adapterChannels, conditionScale, textWidth, textLayers } =
    recipe.transformer;
  const { vocabSize, ...tokenizer } = buildTokenizer(vocabulary());
  manualSeed(recipe.seed);
  const transformer = new Transformer3D({
    ...TRANSFORMER_PRESETS['mfm-mini'],
    num_layers: numLayers,
    num_attention_heads: numHeads,
    cross_attention_dim: textWidth,
    cond_block_out_channels: adapterChannels,
    sample_size: recipe.miniworld.width / autoencoder.spatialCompression,
  });
  initialiseForTraining(transformer, { conditionScale });
  const textEncoder = new T5Encoder(
    parseT5Config({
      vocab_size: vocabSize,
      d_model: textWidth,
      d_kv: 32,
      d_ff: 2 * textWidth,
      num_layers: textLayers,
      num_heads: textWidth / 32,
      feed_forward_proj: 'gated-gelu',
    }),
  ).initialise();
  const settings = PipelineSettings.parse({
    width: recipe.miniworld.width,
    height: recipe.miniworld.height,
    numFrames: recipe.latents.numFrames,
    motionScore,
    tasks: weightedTasks(recipe.transformer.tasks).map(({ task }) => task.id),
    ...recipe.pipeline,
  });
  const pipeline = new Pipeline(
    {
      transformer: residentPart(transformer.toDtype(dtype)),
      autoencoder: residentPart(autoencoder),
      textEncoder: residentPart(textEncoder.toDtype(dtype)),
    },
    new PromptTokenizer(tokenizer),
    SchedulerConfig.parse({ shift: recipe.scheduler.shift }),
    settings,
    dtype,
  );
  return { pipeline, tokenizer };
}

/** Writes `pipeline/` of the run folder, so that a run can be used while it goes on. */
export function exportPipeline({ pipeline, tokenizer }: Trainee, run: Run): void {
  savePipeline(run.path('pipeline'), pipeline, tokenizer, 'bfloat16');
}

/** Enough scenes that every word of the captions' small grammar occurs. */
const VOCABULARY_SCENES = 4000;

/** Every word that a caption, an instruction or a task's tag can hold, in a fixed order. */
function vocabulary(): string[] {
  const words = new Set<string>();
  const collect = (text: string) => {
    for (const word of text.split(' ')) words.add(word);
  };
  for (const task of Object.values<Task>(TASKS)) collect(taggedPrompt('', task));
  for (let seed = 0; seed < VOCABULARY_SCENES; seed++) {
    for (const split of ['train', 'heldout'] as const) {
      const scene = drawScene(seed, { split });
      collect(captionOf(scene, 17));
      collect(editOf(scene).instruction);
    }
  }
  return [...words].sort();
}

/** @returns false if it was stopped */
export async function trainTransformer(
  trainee: Trainee,
  sets: { image: LatentSet; clip: LatentSet },
  context: PartContext,
): Promise<boolean> {
  const { run, recipe, report, signal } = context;
  const plan = recipe.transformer;
  const { pipeline } = trainee;
  const { transformer, textEncoder } = pipeline;
  const parameters = new Map([
    ...[...transformer.requiresGrad_(true).namedParameters()].map(
      ([k, v]) => [`transformer.${k}`, v] as const,
    ),
    ...[...textEncoder.requiresGrad_(true).namedParameters()].map(
      ([k, v]) => [`text_encoder.${k}`, v] as const,
    ),
  ]);

  const drawn = { ...plan, tasks: weightedTasks(plan.tasks), seed: recipe.seed };
  return trainLoop<EncodedSample[]>({
    part: 'transformer',
    run,
    config: plan,
    seed: recipe.seed,
    parameters,
    async batch(step, done) {
      const random = stepRandom(recipe.seed, step, 'kind');
      const kind = random.chance(imageShare(done, recipe)) ? 'image' : 'clip';
      const count = kind === 'image' ? plan.imageBatchSize : plan.clipBatchSize;
      return drawIndices(random, count, sets[kind].size).map((index) => sets[kind].get(index));
    },
    train(samples, step) {
      const batch = assemble(samples, step, drawn);
      const generator = new Generator(mixSeed(recipe.seed, step));
      const count = samples.length;
      const sigmas = logitNormalSigmas(count, { shift: plan.timestepShift, generator });
      const noise = randn(batch.latents.shape, { generator });
      const { states, mask: textMask } = pipeline.encodePrompts(batch.prompts);
      const condition = transformer.prepareCondition(batch.pixels, batch.mask);
      const velocity = transformer.forward(addNoise(batch.latents, noise, sigmas), {
        timesteps: timestepsOf(sigmas),
        motionScores: tensor(batch.motionScores),
        text: transformer.prepareText(states, textMask),
        condition: condition.indexSelect(0, batch.conditionRows),
        rope: transformer.prepareRope(batch.latents),
      });
      const losses = velocityLosses(velocity, velocityTarget(batch.latents, noise)); // [B]
      losses.mean().backward();
      return { samples: count, losses: meansByTask(batch.tasks, losses.toFloat32Array()) };
    },
    async sample(step) {
      const figures = await taskSheets(pipeline, context, step);
      exportPipeline(trainee, run);
      return figures;
    },
    report,
    signal,
  });
}

/** Images only at first, then fewer and fewer until clips are mixed in fully. */
function imageShare(done: number, { transformer: plan }: Recipe): number {
  const [first, last] = plan.imageShare;
  const mixed = plan.mixAt === 0 ? 1 : Math.min(1, done / plan.mixAt);
  return first + (last - first) * mixed;
}
