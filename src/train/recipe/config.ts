/** Recipes: what a training run is, as YAML, with every default in one place. */

import { z } from 'zod';
import { isFrameCount } from '../../models/latent-grid.js';
import { TRANSFORMER_PRESETS } from '../../models/transformer/config.js';
import { LoraConfig } from '../../nn/lora-config.js';
import { PipelineChanges } from '../../pipeline/settings.js';
import type { Task } from '../../tasks/task.js';

const probability = z.number().min(0).max(1);
/** Share of a running mean that stays at each step; 1 would never learn, and AdamW divide by 0. */
const decay = z.number().min(0).lt(1);
/** A whole number from 1 to `most`, above which it can only be a slip that nothing has room for. */
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
    clips: z.int().min(0).max(5_000_000).default(5000).describe('different clips'),
    images: z.int().min(0).max(5_000_000).default(12_000).describe('different images'),
    maxObjects: z.int().min(1).max(3).default(2).describe('solids in a scene'),
  })
  .refine(({ clips, images }) => clips + images > 0, 'must have clips or images, got 0 of both');
export type MiniWorldSource = z.infer<typeof MiniWorldSource>;

/** Where samples come from: one of the three, and how often. */
const Source = z
  .strictObject({
    miniworld: MiniWorldSource.optional().describe('the procedural data set'),
    manifest: z
      .string()
      .optional()
      .describe('a .jsonl, a .csv, a folder of pictures and clips, or WebDataset shards'),
    dataset: z
      .string()
      .min(1)
      .optional()
      .describe('the name of a data set that a program gives to train(), see docs/training.md'),
    weight: weight.default(1).describe('how often, relative to other sources'),
  })
  .refine(
    ({ miniworld, manifest, dataset }) =>
      [miniworld, manifest, dataset].filter((one) => one !== undefined).length === 1,
    'must be either miniworld, manifest or dataset',
  );
export type Source = z.infer<typeof Source>;
const Sources = z.array(Source).min(1).max(10_000);

/** Batches of one length; a step draws one kind by weight. */
const BatchKind = z.strictObject({
  numFrames: frameCount.describe('frames of each sample, 4k + 1; 1 is an image'),
  batchSize: upTo(65_536).describe('samples in a batch'),
  weight: weight.default(1).describe('how often, relative to the others'),
});
export type BatchKind = z.infer<typeof BatchKind>;

/** How one network is optimised. */
export const Optimisation = z.strictObject({
  steps: stepCount.describe('optimizer steps'),
  maxSeconds: seconds
    .optional()
    .describe('stop earlier, after so much training time; the learning rate follows'),
  learningRate: z.number().positive().max(1000).default(1e-3).describe('highest learning rate'),
  finalLearningRate: z
    .number()
    .min(0)
    .max(1000)
    .default(0)
    .describe('as a share of it, at the last step; 1 keeps it'),
  warmupSteps: z.int().min(0).max(1_000_000_000).default(100).describe('steps of linear warm-up'),
  weightDecay: z
    .number()
    .min(0)
    .max(1000)
    .default(0.01)
    .describe('decoupled, per step and learning rate'),
  betas: z.tuple([decay, decay]).default([0.9, 0.99]).describe('of AdamW'),
  clipGradNorm: z.number().positive().default(1).describe('largest global gradient norm'),
  emaDecay: decay.default(0.999).describe('EMA decay; the averaged weights are saved'),
  checkpointEverySeconds: seconds.default(120).describe('time between checkpoints'),
  keepCheckpoints: upTo(100_000)
    .default(2)
    .describe(
      'how many to keep; older ones are deleted. With 1 there is no way back from bad weights',
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
    .describe('bad steps in a row after which the run goes back to its last good checkpoint'),
  rollBackLearningRate: z
    .number()
    .positive()
    .max(1)
    .default(0.5)
    .describe('factor of the learning rate each time it goes back'),
});
export type Optimisation = z.infer<typeof Optimisation>;

const AutoencoderPlan = Optimisation.extend({
  from: z
    .string()
    .optional()
    .describe('pipeline folder to take the autoencoder from; it is not trained then'),
  steps: stepCount.default(6700).describe('optimizer steps'),
  width: side.default(64).describe('of what it is trained on, pixels'),
  height: side.default(64).describe('of what it is trained on, pixels'),
  blockOutChannels: z.array(channels).max(16).default([16, 32, 64, 64]).describe('widths'),
  layersPerBlock: upTo(64).default(1).describe('residual blocks per level'),
  normNumGroups: channels.default(8).describe('groups of the norms'),
  batches: z
    .array(BatchKind)
    .min(1)
    .max(1000)
    .prefault([
      { numFrames: 1, batchSize: 16, weight: 2 },
      { numFrames: 9, batchSize: 4, weight: 2 },
      { numFrames: 17, batchSize: 2, weight: 1 },
    ])
    .describe('what a step trains on'),
  kl: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(1e-6)
    .describe('weight of the divergence from a normal'),
});

const TextEncoderPlan = z.strictObject({
  from: z
    .string()
    .optional()
    .describe('pipeline folder to take text encoder and tokenizer from; it is not trained then'),
  width: channels.multipleOf(32).default(128).describe('of its hidden states'),
  numLayers: upTo(256).default(2).describe('layers'),
});

/** What can differ from stage to stage of the transformer's training. */
const stageKeys = {
  ...Optimisation.shape,
  data: Sources.optional().describe("where samples come from, instead of the recipe's"),
  width: side.default(64).describe('pixels; with height, the largest area of a sample'),
  height: side.default(64).describe('pixels'),
  aspect: z
    .enum(['native', 'fixed'])
    .default('native')
    .describe("samples of files keep their own shape, or are cropped to the stage's"),
  numFrames: frameCount.default(17).describe('frames of a clip, at most'),
  tokensPerBatch: upTo(1_000_000_000)
    .default(1280)
    .describe('latent patches in the batch of a step, over all processes'),
  tokensPerMicroBatch: upTo(1_000_000_000)
    .optional()
    .describe('latent patches that a process takes at once; more are accumulated'),
  gradCheckpointing: z
    .boolean()
    .default(false)
    .describe('compute blocks a second time rather than keep what is in them'),
  sequenceParallel: upTo(65_536)
    .default(1)
    .describe('processes that share the tokens of each sample; a micro-batch is theirs together'),
  imageShare: z
    .tuple([probability, probability])
    .default([1, 0.1])
    .describe('share of image batches, before and after the mixing-in of clips'),
  mixAt: probability
    .default(0.3)
    .describe('share of the stage after which clips are mixed in fully'),
  tasks: z
    .record(z.string(), weight)
    .refine(
      (tasks) => Object.keys(tasks).length > 0,
      'must name at least one task; leave it out for all',
    )
    .optional()
    .describe('tasks and how often each is drawn (default: all; t2i, t2v, i2v 3, others 1)'),
  timestepShift: z
    .number()
    .positive()
    .max(1000)
    .default(1)
    .describe('of the training noise levels'),
  textDropout: z
    .strictObject({ image: probability.default(0.3), video: probability.default(0.1) })
    .prefault({})
    .describe('share of samples trained without their prompt'),
  conditionDropout: probability.default(0.1).describe('share of other samples without condition'),
};

type StageKeys = Omit<typeof stageKeys, 'weightDecay' | 'betas'>;

/** Without defaults: a stage that leaves a key out has it from the plan. */
const { weightDecay: _, betas: __, ...changeable } = stageKeys;
const stageChanges = Object.fromEntries(
  Object.entries<z.ZodType>(changeable).map(([key, schema]) => {
    const hasDefault = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
    return [key, (hasDefault ? (schema.unwrap() as z.ZodType) : schema).optional()];
  }),
) as { [K in keyof StageKeys]: z.ZodOptional<z.ZodType<z.output<StageKeys[K]>>> };

const StageChanges = z.strictObject({ name: z.string().describe('for logs'), ...stageChanges });

const TransformerPlan = z.strictObject({
  from: z
    .string()
    .optional()
    .describe('pipeline folder whose transformer and text encoder training begins with'),
  preset: z
    .enum(Object.keys(TRANSFORMER_PRESETS) as [keyof typeof TRANSFORMER_PRESETS])
    .default('mfm-mini')
    .describe('its size'),
  numLayers: upTo(1024).optional().describe("blocks, instead of the preset's"),
  numHeads: upTo(1024).optional().describe("heads of width 64, instead of the preset's"),
  adapterChannels: z
    .array(channels)
    .length(5)
    .optional()
    .describe("widths of the condition adapter, instead of the preset's"),
  conditionScale: z
    .number()
    .positive()
    .max(1_000_000)
    .default(1)
    .describe("the adapter's output at first, as a share of the patch embedding's scale"),
  adapter: Optimisation.optional().describe(
    'before all else, the condition adapter alone: to see clean latents in what is given',
  ),
  lora: LoraConfig.optional().describe('train layers of low rank beside the weights, not these'),
  train: z
    .array(z.string())
    .min(1, 'must name a pattern; leave it out to train all')
    .optional()
    .describe('patterns of the weights that are trained'),
  freeze: z.array(z.string()).optional().describe('patterns of weights that stay as they are'),
  ...stageKeys,
  steps: stageKeys.steps.optional().describe('optimizer steps, of each stage that does not say'),
  stages: z
    .array(StageChanges)
    .min(1)
    .max(1000)
    .optional()
    .describe('one after the other; each changes some of the keys above'),
});

/** A stage of the transformer's training, complete. */
export type Stage = z.infer<z.ZodObject<typeof stageKeys>> & {
  name: string;
  data: Source[];
  /** tasks beside those of mfm, which `tasks` may name too */
  ownTasks?: readonly Task[];
};

export const Recipe = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]+$/)
    .regex(/[^.]/, 'must be more than dots')
    .max(200)
    .describe('name of the run folder'),
  seed: z.int().min(0).default(0).describe('of data, weights and noise'),
  dtype: z
    .enum(['auto', 'float32', 'bfloat16'])
    .default('auto')
    .describe('what is computed in; auto: bfloat16 where the CPU has units for it'),
  base: z
    .string()
    .optional()
    .describe('pipeline folder to fine-tune: its networks, words and settings as they are'),
  init: z.string().optional().describe('pipeline folder whose weights training begins with'),
  data: Sources.prefault([{ miniworld: {} }]).describe('where samples come from'),
  cacheFrames: z
    .boolean()
    .default(true)
    .describe('keep decoded frames on the disk beside the latents: more space, less decoding'),
  validationSamples: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(16)
    .describe(
      'samples of each kind that are kept out of training to measure on; of files at most a tenth',
    ),
  sharding: z
    .enum(['ddp', 'zero1', 'zero2'])
    .default('ddp')
    .describe(
      'what each process keeps of its own alone: nothing; the optimizer state; gradients too',
    ),
  autoencoder: AutoencoderPlan.prefault({}).describe('first part: pixels to latents'),
  textEncoder: TextEncoderPlan.prefault({}).describe('the network that reads prompts'),
  transformer: TransformerPlan.describe('last part: latents from noise, by task'),
  pipeline: PipelineChanges.prefault({}).describe('what the finished pipeline says about its use'),
  scheduler: z
    .strictObject({
      shift: z.number().positive().max(1000).default(1).describe('of the sampling sigmas'),
    })
    .prefault({}),
});
export type Recipe = z.infer<typeof Recipe>;
/** A recipe as a program writes it: what has a default can be left out. */
export type RecipeInput = z.input<typeof Recipe>;

/**
 * The stages of the transformer's training, each complete; without any, the plan itself is one.
 * That each has its steps is for `readRecipe` to check.
 *
 * @param ownTasks   tasks beside those of mfm, for who looks at the tasks of a stage
 */
export function stagesOf({ transformer, data }: Recipe, ownTasks: readonly Task[] = []): Stage[] {
  const { stages, ...shared } = transformer;
  return (stages ?? [{ name: 'all' }]).map(
    (changes) => ({ data, ...shared, ...changes, ownTasks }) as Stage,
  );
}
