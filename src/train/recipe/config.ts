/** The schema of recipes, which describe a training run in YAML, with every default in one place. */

import { z } from 'zod';
import { DEVICE_NAME, DEVICE_NAMES } from '../../device-names.js';
import { InputError } from '../../errors.js';
import { isFrameCount } from '../../models/latent-grid.js';
import { TRANSFORMER_PRESETS } from '../../models/transformer/config.js';
import { LoraConfig } from '../../nn/lora-config.js';
import { PipelineChanges } from '../../pipeline/settings.js';
import { Mixture } from '../../tasks/mixture-config.js';
import type { Task } from '../../tasks/task.js';
import { Alignment, OptimizerChoice, TimestepShift, TokenRouting } from './levers-config.js';

const probability = z.number().min(0).max(1);
/** Decay of a running mean, below 1: at 1 it would never change, and AdamW would divide by zero. */
const decay = z.number().min(0).lt(1);
/**
 * A whole number from 1 to `most`; a larger one can only be a slip, and no machine has room for it.
 */
const upTo = (most: number) => z.int().positive().max(most);
const stepCount = upTo(1_000_000_000);
const seconds = z.number().positive().max(1_000_000_000);
const weight = z.number().positive().max(1_000_000_000);
const channels = upTo(16_384);
const side = upTo(8192).multipleOf(16);
const frameCount = z
  .int()
  .positive({ abort: true })
  .max(4097)
  .refine(isFrameCount, {
    error: ({ input }) => `must be 4k + 1 (1, 5, 9, …), got ${input}`,
  });

const MiniWorldSource = z
  .strictObject({
    clips: z.int().min(0).max(5_000_000).default(5000).describe('number of different clips'),
    images: z.int().min(0).max(5_000_000).default(12_000).describe('number of different images'),
    maxObjects: z
      .int()
      .min(1)
      .max(3)
      .default(2)
      .describe('largest number of solids in a plain scene'),
    photos: z
      .string()
      .optional()
      .describe(
        'photos for the surroundings of scenes that are not plain, and for some of their solids: a folder, a manifest or shards',
      ),
    moreShapes: z
      .boolean()
      .optional()
      .describe('scenes that are not plain also have tori, pyramids and capsules'),
    solids: z
      .tuple([z.int().min(1).max(4), z.int().min(1).max(4)])
      .refine(([least, most]) => least <= most, {
        error: ({ input }) => `must have the smaller number first, got [${input}]`,
      })
      .optional()
      .describe(
        'least and largest number of solids in scenes that are not plain (default: 1 and maxObjects)',
      ),
    reuse: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe(
        'the transformer uses each scene this often, then a new one takes its place: clips and images are then the numbers of those in use (default: it uses the same ones throughout)',
      ),
    plainShare: probability
      .default(0.5)
      .describe('share of plain scenes, if photos, moreShapes or solids ask for others'),
    scale: z
      .number()
      .positive()
      .max(1)
      .optional()
      .describe(
        "sides of the scenes as a share of the stage's, such as 0.5; with another source at full size, a stage trains at two sizes (default: 1)",
      ),
  })
  .refine(({ clips, images }) => clips + images > 0, 'must have clips or images, got 0 of both');
export type MiniWorldSource = z.infer<typeof MiniWorldSource>;

/** The tasks of a source: those of a list, or all but those. */
const SourceTasks = z.union(
  [z.array(z.string()).min(1), z.strictObject({ not: z.array(z.string()).min(1) })],
  { error: 'must be a list of tasks, or { not: [t2i, …] } for all but some' },
);
type SourceTasks = z.infer<typeof SourceTasks>;

/** The ids that a source's `tasks` name. */
export const namedIn = (tasks: SourceTasks | undefined): string[] =>
  tasks === undefined ? [] : Array.isArray(tasks) ? tasks : tasks.not;

/** May a source's samples be used for a task? */
export const isUsedFor = (id: string, { tasks }: { tasks?: SourceTasks }): boolean =>
  tasks === undefined || namedIn(tasks).includes(id) === Array.isArray(tasks);

/** Where samples come from: exactly one of the three kinds, and how often it is drawn. */
const Source = z
  .strictObject({
    miniworld: MiniWorldSource.optional().describe('the procedural data set'),
    manifest: z
      .string()
      .optional()
      .describe('a .jsonl or .csv file, a folder of images and clips, or WebDataset shards'),
    dataset: z
      .string()
      .min(1)
      .optional()
      .describe('the name of a data set that a program gives to train(), see docs/training.md'),
    weight: weight.default(1).describe('how often it is drawn, relative to the other sources'),
    augment: upTo(1000)
      .min(2)
      .optional()
      .describe(
        'of a manifest: the number of variants of each picture and clip, which are itself and parts of it at random places and scales, half of them mirrored',
      ),
    tasks: SourceTasks.optional().describe(
      'the tasks that its samples are used for: a list, or { not: [t2i, …] } for all but some (default: all that a sample qualifies for)',
    ),
  })
  .refine(
    ({ miniworld, manifest, dataset }) =>
      [miniworld, manifest, dataset].filter((one) => one !== undefined).length === 1,
    'must be either miniworld, manifest or dataset',
  )
  .refine(({ manifest, augment }) => augment === undefined || manifest !== undefined, {
    path: ['augment'],
    error: 'makes variants of files; leave it out, or give a manifest',
  });
export type Source = z.infer<typeof Source>;
const Sources = z.array(Source).min(1).max(10_000);

/** Batches of one length and size; a step draws one kind by weight. */
const BatchKind = z.strictObject({
  numFrames: frameCount.describe('frames per sample, 4k + 1; 1 is an image'),
  batchSize: upTo(65_536).describe('samples per batch'),
  width: side.optional().describe("width in pixels (default: the autoencoder's)"),
  height: side.optional().describe("height in pixels (default: the autoencoder's)"),
  weight: weight.default(1).describe('how often such a batch is drawn, relative to the others'),
});
export type BatchKind = z.infer<typeof BatchKind>;

/** The size of a kind of batches: its own, or that of the plan. */
export const sizeOfKind = (
  { numFrames, width, height }: BatchKind,
  plan: { width: number; height: number },
) => ({ numFrames, width: width ?? plan.width, height: height ?? plan.height });

/** How one network is optimised. */
export const Optimisation = z.strictObject({
  steps: stepCount.describe('optimizer steps'),
  maxSeconds: seconds
    .optional()
    .describe(
      'end after this much training time if that comes first; the learning rate schedule follows',
    ),
  learningRate: z.number().positive().max(1000).default(1e-3).describe('peak learning rate'),
  finalLearningRate: z
    .number()
    .min(0)
    .max(1000)
    .default(0)
    .describe('learning rate at the last step, as a share of learningRate; 1 keeps it constant'),
  decayShare: z
    .number()
    .positive()
    .max(1)
    .default(1)
    .describe(
      'share of the steps, at the end, in which the learning rate falls; before, it is constant, so that a run can be prolonged by more steps. With 1 it falls all along',
    ),
  warmupSteps: z.int().min(0).max(1_000_000_000).default(100).describe('steps of linear warm-up'),
  weightDecay: z
    .number()
    .min(0)
    .max(1000)
    .default(0.01)
    .describe('decoupled weight decay of AdamW, multiplied by the learning rate'),
  betas: z
    .tuple([decay, decay])
    .default([0.9, 0.99])
    .describe('decay rates of the two moments of AdamW'),
  clipGradNorm: z
    .number()
    .positive()
    .default(1)
    .describe('global gradient norm to which larger gradients are scaled down'),
  emaDecay: decay.default(0.999).describe('EMA decay; the averaged weights are saved'),
  checkpointEverySeconds: seconds.default(120).describe('seconds between checkpoints'),
  keepCheckpoints: upTo(100_000)
    .default(2)
    .describe(
      'number of checkpoints to keep; older ones are deleted. With 1, a run has no earlier one to roll back to',
    ),
  milestoneEverySteps: stepCount
    .optional()
    .describe('steps between checkpoints that are never deleted'),
  logEverySteps: stepCount.default(20).describe('steps between lines of metrics'),
  sampleEverySteps: stepCount.default(1000).describe('steps between sample sheets'),
  validateEverySteps: stepCount.default(500).describe('steps between validations'),
  explodingGradNorm: z
    .number()
    .positive()
    .default(50)
    .describe(
      'skip a step whose gradient norm exceeds this multiple of its running mean, or is NaN',
    ),
  rollBackAfter: stepCount
    .default(5)
    .describe(
      'consecutive skipped steps after which the run rolls back to its last good checkpoint',
    ),
  rollBackLearningRate: z
    .number()
    .positive()
    .max(1)
    .default(0.5)
    .describe('factor that each rollback applies to the learning rate'),
});
export type Optimisation = z.infer<typeof Optimisation>;

const AutoencoderPlan = Optimisation.extend({
  from: z
    .string()
    .optional()
    .describe('pipeline folder to take the autoencoder from; it is then not trained'),
  train: z
    .enum(['all', 'decoder'])
    .default('all')
    .describe(
      'decoder: the encoder stays that of init, and so do latents: a transformer that was trained on them remains valid',
    ),
  keepLatents: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe(
      'weight of the mean squared difference of latents from those of the encoder of init: all is trained, and a transformer that was trained on them remains valid where pictures are like those that init knew; 0.05 does for that',
    ),
  steps: stepCount.default(6700).describe('optimizer steps'),
  width: side
    .default(64)
    .describe('width of the training samples in pixels, unless a kind of batches has its own'),
  height: side
    .default(64)
    .describe('height of the training samples in pixels, unless a kind of batches has its own'),
  blockOutChannels: z
    .array(channels)
    .max(16)
    .default([16, 32, 64, 64])
    .describe('channels of each level'),
  layersPerBlock: upTo(64).default(1).describe('residual blocks per level'),
  normNumGroups: channels.default(8).describe('groups of each group norm'),
  batches: z
    .array(BatchKind)
    .min(1)
    .max(1000)
    .prefault([
      { numFrames: 1, batchSize: 16, weight: 2 },
      { numFrames: 9, batchSize: 4, weight: 2 },
      { numFrames: 17, batchSize: 2, weight: 1 },
    ])
    .describe(
      'kinds of batches, of which each step draws one; what it learns at one size it loses at others, so name the sizes that matter',
    ),
  kl: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(1e-6)
    .describe('weight of the KL divergence from a standard normal'),
});

const DepthPlan = z.strictObject({
  from: z
    .enum(['auto', 'exact', 'files', 'model', 'none'])
    .default('auto')
    .describe(
      'auto: the first that there is of exact (of MiniWorld), files (beside the data) and a depth model; one of these: from there alone; none: known frames have no depth',
    ),
  model: z
    .string()
    .optional()
    .describe(
      "a depth model's folder, or ORG/NAME as `mfm pull` has it (default: the base pipeline's)",
    ),
  // guidance and use without a depth model need known frames without depth; as often as the paper
  // leaves out the whole condition
  dropout: probability
    .default(0.1)
    .describe('share of samples with a condition whose known frames come without depth'),
  frameDropout: probability
    .default(0)
    .describe('share of known frames that come without depth in the other samples'),
});
export type DepthPlan = z.infer<typeof DepthPlan>;

/** A word in place of the plan is its `from`. */
export const depthInFull = (
  given: DepthPlan['from'] | z.input<typeof DepthPlan>,
): z.input<typeof DepthPlan> => (typeof given === 'string' ? { from: given } : given);
const DepthModelPlan = Optimisation.extend({
  from: z
    .string()
    .optional()
    .describe("a depth model's folder to put into the pipeline; it is then not trained"),
  steps: stepCount.default(8000).describe('optimizer steps'),
  width: side.default(128).describe('width of the training pictures in pixels'),
  height: side.default(128).describe('height of the training pictures in pixels'),
  batchSize: upTo(65_536).default(8).describe('pictures per batch'),
  photos: z
    .string()
    .optional()
    .describe('photos for the surfaces of the scenes: a folder, a manifest or shards'),
  plainShare: probability
    .default(0.4)
    .describe(
      'share of plain scenes of MiniWorld; the others have other cameras, rooms and photos',
    ),
  patchSize: upTo(64).default(8).describe('side of the patches that become tokens, in pixels'),
  hiddenSize: channels.default(192).describe('width of the tokens'),
  numLayers: upTo(256).min(4).default(6).describe('number of blocks'),
  numHeads: upTo(1024).default(6).describe('number of attention heads'),
  neckChannels: z
    .array(channels)
    .length(4)
    .default([32, 48, 64, 96])
    .describe('channels of the four maps that are fused'),
  fusionChannels: channels.min(2).default(32).describe('channels of the fused maps'),
  headChannels: channels.default(16).describe('channels at full resolution'),
  gradientWeight: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(0.5)
    .describe('weight of the differences between neighbouring pixels'),
  levelWeight: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(0.1)
    .describe('weight of the difference at a fixed scale, which keeps clips from flickering'),
});
export type DepthModelPlan = z.infer<typeof DepthModelPlan>;

const TextEncoderPlan = z.strictObject({
  from: z
    .string()
    .optional()
    .describe(
      'pipeline folder to take the text encoder and tokenizer from; only what transformer.train names of it is then trained',
    ),
  width: channels.multipleOf(32).default(128).describe('width of its hidden states'),
  numLayers: upTo(256).default(2).describe('number of layers'),
});

/** What can differ from stage to stage of the transformer's training. */
const stageKeys = {
  ...Optimisation.shape,
  data: Sources.optional().describe("where samples come from, in place of the recipe's data"),
  width: side
    .default(64)
    .describe('width in pixels; width x height is the largest area of a sample'),
  height: side.default(64).describe('height in pixels'),
  aspect: z
    .enum(['native', 'fixed'])
    .default('native')
    .describe(
      'native: samples from files keep their aspect ratio; fixed: all are cropped to width x height',
    ),
  numFrames: frameCount.default(17).describe('largest number of frames in a clip'),
  tokensPerBatch: upTo(1_000_000_000)
    .default(1280)
    .describe('tokens (latent patches) in the batch of a step, over all processes'),
  tokensPerMicroBatch: upTo(1_000_000_000)
    .optional()
    .describe('tokens that a process computes at once; a larger batch accumulates gradients'),
  gradCheckpointing: z
    .boolean()
    .default(false)
    .describe(
      'recompute activations in the backward pass instead of keeping them: less memory, more time',
    ),
  sequenceParallel: upTo(65_536)
    .default(1)
    .describe(
      'processes that split the tokens of each sample among them; a micro-batch belongs to all of them',
    ),
  tokenRouting: TokenRouting.prefault({}),
  alignment: Alignment.prefault({}),
  imageShare: z
    .tuple([probability, probability])
    .optional()
    .describe(
      'share of image batches at the start, and once clips are fully mixed in (default: [1, 0.1], or all or none where tasks make one kind)',
    ),
  mixAt: probability
    .default(0.3)
    .describe('share of the stage after which clips are fully mixed in'),
  tasks: z
    .record(z.string(), weight)
    .refine(
      (tasks) => Object.keys(tasks).length > 0,
      'must name at least one task; leave it out for all',
    )
    .optional()
    .describe(
      'tasks to train and the weight of each (default: all tasks; t2i, t2v and i2v 3, the others 1)',
    ),
  balance: z
    .number()
    .min(0)
    .max(10)
    .default(0)
    .describe(
      "draw tasks more often that are learnt less: their weights are multiplied by this power of their validation loss, as a share of the stage's first; with 0 they stay",
    ),
  mixture: Mixture.prefault({}).describe(
    'what the task `any` is given: the distribution that mixtures are drawn from',
  ),
  timestepShift: TimestepShift.default(1).describe(
    'shift of the noise levels in training, above 1 for more noise; one for all, or by task, e.g. { i2v: 1.6, image: 2, default: 2.5 }',
  ),
  contrast: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe(
      "weight of the distance to another sample's velocity, which is kept large (contrastive flow matching; 0.05 as published)",
    ),
  textDropout: z
    .strictObject({ image: probability.default(0.3), video: probability.default(0.1) })
    .prefault({})
    .describe('share of samples trained without their prompt'),
  conditionDropout: probability
    .default(0.1)
    .describe('share of samples trained without their condition'),
};

type StageKeys = Omit<typeof stageKeys, 'weightDecay' | 'betas'>;

/** The keys without their defaults: a stage that leaves one out takes it from the plan. */
const { weightDecay: _, betas: __, ...changeable } = stageKeys;
const stageChanges = Object.fromEntries(
  Object.entries<z.ZodType>(changeable).map(([key, schema]) => {
    const hasDefault = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
    return [key, (hasDefault ? (schema.unwrap() as z.ZodType) : schema).optional()];
  }),
) as { [K in keyof StageKeys]: z.ZodOptional<z.ZodType<z.output<StageKeys[K]>>> };

const StageChanges = z.strictObject({
  name: z.string().describe('name of the stage in logs'),
  ...stageChanges,
});

/** How a flow map is learnt; the defaults are the paper's, where it has them. */
const flowMapKeys = {
  inferenceSteps: upTo(1000)
    .default(4)
    .describe('sampling steps of the finished pipeline; any other number works too'),
  flowShare: probability
    .default(0.5)
    .describe('share of samples that train the velocity at a single noise level'),
  cleanShare: probability
    .default(0.25)
    .describe('share of samples that train one step from some noise level to none'),
  difference: z
    .number()
    .positive()
    .max(0.5)
    .default(0.1)
    .describe(
      'distance of noise levels over which derivatives are taken; bfloat16 drowns smaller ones',
    ),
  velocity: z
    .enum(['teacher', 'data'])
    .default('teacher')
    .describe(
      'where velocities come from; teacher: the pipeline as it was, so that it learns few steps; data: the samples, so that a pipeline that has learnt them is trained on without losing them, and is its own teacher',
    ),
  guidance: z
    .record(z.string(), z.number().min(1).max(100))
    .default({})
    .describe(
      "guidance scales that become part of the weights with velocity: data, by task, e.g. { t2i: 4, t2v: 4 } (default: 1; with a teacher, the pipeline's own)",
    ),
};
/**
 * How a trained transformer is distilled to few steps.
 *
 * Source: Gu et al. 2026, AnyFlow, its first stage, arXiv 2605.13724
 */
export type FlowMapPlan = z.infer<z.ZodObject<typeof flowMapKeys>>;

/** Keys of stages that a distillation does not have: they are for learning velocities. */
const { tokenRouting, alignment, contrast, balance, ...forAll } = stageChanges;
const isOptimisation = (key: string): boolean => Object.hasOwn(Optimisation.shape, key);
const distilled = Object.fromEntries(
  Object.entries(forAll).filter(([key]) => !isOptimisation(key)),
) as Omit<typeof forAll, keyof Optimisation>;

const DistillationPlan = Optimisation.extend({
  steps: stepCount.default(3000).describe('optimizer steps'),
  learningRate: z.number().positive().max(1000).default(1e-4).describe('peak learning rate'),
  ...flowMapKeys,
  ...distilled,
}).refine(({ flowShare, cleanShare }) => flowShare + cleanShare <= 1, {
  path: ['cleanShare'],
  error: 'must leave flowShare and cleanShare together at 1 or less',
});

const TransformerPlan = z.strictObject({
  from: z
    .string()
    .optional()
    .describe('pipeline folder to take the initial weights of transformer and text encoder from'),
  preset: z
    .enum(Object.keys(TRANSFORMER_PRESETS) as [keyof typeof TRANSFORMER_PRESETS])
    .default('mfm-mini')
    .describe('size of the network'),
  numLayers: upTo(1024).optional().describe("number of blocks, in place of the preset's"),
  numHeads: upTo(1024).optional().describe("number of heads of width 64, in place of the preset's"),
  adapterChannels: z
    .array(channels)
    .length(5)
    .optional()
    .describe("widths of the condition adapter, in place of the preset's"),
  conditionScale: z
    .number()
    .positive()
    .max(1_000_000)
    .default(1)
    .describe(
      "initial scale of the condition adapter's output, as a share of the patch embedding's",
    ),
  adapter: Optimisation.optional().describe(
    'first train the condition adapter alone, to predict clean latents from the condition',
  ),
  lora: LoraConfig.optional().describe('train low-rank layers (LoRA) beside frozen weights'),
  train: z
    .array(z.string())
    .min(1, 'must name a pattern; leave it out to train all')
    .optional()
    .describe('patterns of the names of weights to train'),
  freeze: z.array(z.string()).optional().describe('patterns of the names of weights to freeze'),
  ...stageKeys,
  steps: stageKeys.steps
    .optional()
    .describe('optimizer steps of each stage that does not set its own'),
  optimizer: OptimizerChoice.prefault({}),
  learningRateWidth: upTo(1_000_000)
    .optional()
    .describe(
      'width of the network that learningRate was found for: matrices of a wider one learn more slowly, in proportion (muP)',
    ),
  stages: z
    .array(StageChanges)
    .min(1)
    .max(1000)
    .optional()
    .describe('stages, one after the other; each overrides some of the keys above'),
});

/** A stage of the transformer's training, with every key filled in. */
export type Stage = z.infer<z.ZodObject<typeof stageKeys>> & {
  name: string;
  imageShare: [atFirst: number, mixed: number];
  data: Source[];
  /** `model` is the folder of the depth model that is used; see `withDepthModel` */
  depth: DepthPlan;
  /** tasks beside those of mfm, which `tasks` may name too */
  ownTasks?: readonly Task[];
  /** of the last part of a run, in which the finished transformer is distilled to few steps */
  distillation?: FlowMapPlan;
};

export const Recipe = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]+$/)
    .regex(/[^.]/, 'must be more than dots')
    .max(200)
    .describe('name of the run folder'),
  seed: z.int().min(0).default(0).describe('seed of data, weights and noise'),
  dtype: z
    .enum(['auto', 'float32', 'bfloat16'], {
      error: ({ input }) =>
        input === 'float16'
          ? 'float16 would need loss scaling, which training does not have; take float32, or bfloat16 from compute capability 8.0 on'
          : undefined,
    })
    .default('auto')
    .describe(
      'dtype to compute in; auto: bfloat16 where the device has instructions for it, float32 elsewhere, as float16 would need loss scaling',
    ),
  device: z
    .string()
    .regex(DEVICE_NAME, { error: ({ input }) => `must be ${DEVICE_NAMES}, got "${input}"` })
    .default('auto')
    .describe(
      'where networks compute: cpu, cuda, cuda:N or mps; auto uses a GPU if there is one; each process of a machine takes a GPU of its own; --device wins over it',
    ),
  base: z
    .string()
    .optional()
    .describe('pipeline folder to fine-tune, with its networks, tokenizer and settings'),
  init: z.string().optional().describe('pipeline folder to take the initial weights from'),
  data: Sources.prefault([{ miniworld: {} }]).describe('where samples come from'),
  cacheFrames: z
    .boolean()
    .default(true)
    .describe('cache decoded frames on disk beside the latents: more space, less decoding'),
  depth: z
    .preprocess(depthInFull, DepthPlan)
    .prefault({})
    .describe('depth of known frames, in the conditions of all tasks; a word is its `from`'),
  validationSamples: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(16)
    .describe('number of images and of clips held out for validation; of files, at most a tenth'),
  sharding: z
    .enum(['ddp', 'zero1', 'zero2'])
    .default('ddp')
    .describe(
      'what is sharded over the processes; ddp: nothing, zero1: the optimizer state, zero2: gradients too',
    ),
  autoencoder: AutoencoderPlan.prefault({}).describe(
    'the first part of a run: from pixels to latents',
  ),
  textEncoder: TextEncoderPlan.prefault({}).describe('the network that encodes prompts'),
  depthModel: DepthModelPlan.optional().describe(
    'a network that estimates depth, which goes into the pipeline; trained before all else',
  ),
  transformer: TransformerPlan.optional().describe(
    'the main part of a run: from noise to latents, by task; without it, only depthModel is trained',
  ),
  distillation: DistillationPlan.optional().describe(
    'the last part of a run: the transformer, as trained here or as it is in base, learns to sample in few steps; what it leaves out of data, sizes and tasks is as in the last stage of transformer',
  ),
  pipeline: PipelineChanges.prefault({}).describe('settings of the finished pipeline'),
  scheduler: z
    .strictObject({
      shift: z.number().positive().max(1000).default(1).describe('shift of the sampling sigmas'),
    })
    .prefault({}),
});
export type Recipe = z.infer<typeof Recipe>;
/** A recipe that trains a pipeline, not a depth model alone. */
export type PipelineRecipe = Recipe & { transformer: NonNullable<Recipe['transformer']> };

/** Does a recipe train a pipeline, or a depth model alone? */
export const trainsPipeline = (recipe: Recipe): recipe is PipelineRecipe =>
  recipe.transformer !== undefined;

/** @throws InputError unless the recipe trains a pipeline */
export function pipelineRecipe(recipe: Recipe): PipelineRecipe {
  if (trainsPipeline(recipe)) return recipe;
  throw new InputError(
    `${recipe.name}: trains a depth model alone; give a recipe with a transformer`,
  );
}

/** Does a recipe train a depth model, or take a finished one? */
export const trainedDepthModel = ({ depthModel }: Recipe): DepthModelPlan | null =>
  depthModel && depthModel.from === undefined ? depthModel : null;

/** A recipe as a program writes it: keys that have a default can be left out. */
export type RecipeInput = z.input<typeof Recipe>;

/** Does a recipe only distil the transformer of its base? */
export const onlyDistils = ({ transformer, distillation }: Recipe): boolean =>
  distillation !== undefined && transformer?.steps === undefined && !transformer?.stages;

/** The folder that the weights of the transformer and text encoder begin with; undefined: they are new. */
export const firstWeightsOf = ({
  transformer,
  init,
}: Pick<PipelineRecipe, 'transformer' | 'init'>): string | undefined => transformer.from ?? init;

/** The plan of training the condition adapter alone; undefined if there is none, or it is trained already. */
export const adapterPlanOf = ({
  transformer,
  init,
}: Pick<PipelineRecipe, 'transformer' | 'init'>): Optimisation | undefined =>
  init === undefined ? transformer.adapter : undefined;
