/** Recipes: what a training run is, as YAML, with every default in one place. */
import { z } from 'zod';
import { PipelineChanges } from '../pipeline/settings.js';

const probability = z.number().min(0).max(1);

/** Batches of one length; a step draws one kind by weight. */
const BatchKind = z.strictObject({
  numFrames: z.int().positive().describe('frames of each sample, 4k + 1; 1 is an image'),
  batchSize: z.int().positive().describe('samples in a batch'),
  weight: z.number().positive().default(1).describe('how often, relative to the others'),
});
export type BatchKind = z.infer<typeof BatchKind>;

/** How one network is optimised. */
export const Optimisation = z.strictObject({
  steps: z.int().positive().describe('optimizer steps'),
  maxSeconds: z
    .number()
    .positive()
    .optional()
    .describe('stop earlier, after so much training time; the learning rate follows'),
  learningRate: z.number().positive().default(1e-3).describe('highest learning rate'),
  finalLearningRate: z.number().min(0).default(0).describe('as a share of it, at the last step'),
  warmupSteps: z.int().min(0).default(100).describe('steps of linear warm-up'),
  weightDecay: z.number().min(0).default(0.01).describe('decoupled, per step and learning rate'),
  betas: z.tuple([probability, probability]).default([0.9, 0.99]).describe('of AdamW'),
  clipGradNorm: z.number().positive().default(1).describe('largest global gradient norm'),
  emaDecay: probability.default(0.999).describe('of the averaged weights, which are what is kept'),
  checkpointEverySeconds: z.number().positive().default(120).describe('time between checkpoints'),
  sampleEverySteps: z.int().positive().default(1000).describe('steps between sample sheets'),
});
export type Optimisation = z.infer<typeof Optimisation>;

const MiniWorldData = z.strictObject({
  width: z.int().positive().multipleOf(16).default(64).describe('pixels'),
  height: z.int().positive().multipleOf(16).default(64).describe('pixels'),
  maxObjects: z.int().min(1).max(3).default(2).describe('solids in a scene'),
});

const AutoencoderPlan = Optimisation.extend({
  from: z.string().optional().describe('pipeline folder to take the autoencoder from, untrained'),
  blockOutChannels: z.array(z.int().positive()).default([16, 32, 64, 64]).describe('widths'),
  layersPerBlock: z.int().positive().default(1).describe('residual blocks per level'),
  normNumGroups: z.int().positive().default(8).describe('groups of the norms'),
  batches: z.array(BatchKind).min(1).describe('what a step trains on'),
  kl: z.number().min(0).default(1e-6).describe('weight of the divergence from a normal'),
});

const TransformerPlan = Optimisation.extend({
  from: z
    .string()
    .optional()
    .describe('pipeline folder whose transformer and text encoder training begins with'),
  adapter: Optimisation.optional().describe(
    'before all else, the condition adapter alone: to see clean latents in what is given',
  ),
  numLayers: z.int().positive().default(6).describe('blocks'),
  numHeads: z.int().positive().default(4).describe('heads of width 64'),
  adapterChannels: z
    .array(z.int().positive())
    .length(5)
    .default([8, 16, 32, 64, 128])
    .describe('widths of the condition adapter'),
  conditionScale: z
    .number()
    .positive()
    .default(1)
    .describe("the adapter's output at first, as a share of the patch embedding's scale"),
  textWidth: z.int().positive().default(128).describe('width of the text encoder'),
  textLayers: z.int().positive().default(2).describe('layers of the text encoder'),
  imageBatchSize: z.int().positive().default(64).describe('images in an image batch'),
  clipBatchSize: z.int().positive().default(16).describe('clips in a clip batch'),
  imageShare: z
    .tuple([probability, probability])
    .default([1, 0.1])
    .describe('share of image batches, before and after the mixing-in of clips'),
  mixAt: probability.default(0.3).describe('share of the run after which clips are mixed in fully'),
  tasks: z
    .record(z.string(), z.number().positive())
    .optional()
    .describe('tasks and how often each is drawn (default: all; t2i, t2v, i2v 3, others 1)'),
  timestepShift: z.number().positive().default(1).describe('of the training noise levels'),
  textDropout: z
    .strictObject({ image: probability.default(0.3), video: probability.default(0.1) })
    .prefault({})
    .describe('share of samples trained without their prompt'),
  conditionDropout: probability.default(0.1).describe('share of other samples without condition'),
});

export const Recipe = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]+$/)
    .describe('name of the run folder'),
  seed: z.int().min(0).default(0).describe('of data, weights and noise'),
  dtype: z
    .enum(['auto', 'float32', 'bfloat16'])
    .default('auto')
    .describe('what is computed in; auto: bfloat16 where the CPU has units for it'),
  miniworld: MiniWorldData.prefault({}).describe('the procedural data set'),
  autoencoder: AutoencoderPlan.describe('first part: pixels to latents'),
  latents: z
    .strictObject({
      clips: z.int().positive().describe('clips that are drawn and encoded once'),
      numFrames: z.int().positive().default(17).describe('frames of a clip, 4k + 1'),
      images: z.int().positive().describe('images that are drawn and encoded once'),
    })
    .describe('second part: the data set as latents'),
  transformer: TransformerPlan.describe('third part: latents from noise, by task'),
  pipeline: PipelineChanges.prefault({}).describe('what the finished pipeline says about its use'),
  scheduler: z
    .strictObject({ shift: z.number().positive().default(1).describe('of the sampling sigmas') })
    .prefault({}),
});
export type Recipe = z.infer<typeof Recipe>;
