/** A pipeline folder's own settings: `_mfm` in model_index.json. */
import { z } from 'zod';
import { count } from '../check-config.js';
import { MOST_FRAMES, MOST_SIDE, MOST_STEPS } from '../limits.js';
import { isFrameCount } from '../models/latent-grid.js';
import { REFERENCE_DEPTH_TASKS } from '../tasks/depth-tasks.js';
import type { Task } from '../tasks/index.js';

const fields = {
  width: count(MOST_SIDE).multipleOf(16).describe('default width of results, pixels'),
  height: count(MOST_SIDE).multipleOf(16).describe('default height of results, pixels'),
  numFrames: z
    .int()
    .positive({ abort: true })
    .max(MOST_FRAMES)
    .refine(isFrameCount, 'must be 4k + 1 (1, 5, 9, …)')
    .describe('default number of frames of a clip, 4k + 1'),
  fps: z.number().positive().max(1000).describe('frames per second of written clips'),
  numInferenceSteps: count(MOST_STEPS).describe('sampling steps'),
  guidanceScale: z.number().min(0).describe('classifier-free guidance scale; 1 means none'),
  motionScore: z.number().min(0).describe('how much clips move; images use 0'),
  addedPrompt: z.string().describe('words added to every prompt'),
  negativePrompt: z.string().describe('what results should not look like'),
  promptLength: z.int().min(2).max(512).describe('the most tokens of a prompt that are read'),
  tasks: z.array(z.string()).describe('tasks the pipeline was trained on; all if left out'),
  usesDepth: z.boolean().describe('the pipeline was trained with the depth of known frames'),
  depthTasks: z
    .union([z.literal('all'), z.array(z.string())])
    .describe('tasks whose known frames have depth in the condition'),
  depthScale: z
    .enum(['raw', 'clip', 'unit'])
    .describe(
      'scale of depth in the condition; raw: as estimated; clip: from 0 (farthest) to 10 over all of a condition; unit: from 0 to 1',
    ),
};

/** Settings that can differ from task to task. */
const { width, height, numInferenceSteps, guidanceScale, motionScore, ...others } = fields;
const { addedPrompt, negativePrompt } = others;
const TaskSettings = z
  .strictObject({
    width,
    height,
    numInferenceSteps,
    guidanceScale,
    motionScore,
    addedPrompt,
    negativePrompt,
  })
  .partial();
const taskSettings = z
  .record(z.string(), TaskSettings)
  .describe('settings of single tasks, where they differ from these');

/** The settings that a recipe may name; the others follow from what is trained. */
export const PipelineChanges = z.strictObject({ ...fields, taskSettings }).partial();

// the defaults for size, length and sampling are those of the released models
// Source: the reference's command line script
export const PipelineSettings = z.strictObject({
  width: fields.width.default(640),
  height: fields.height.default(352),
  numFrames: fields.numFrames.default(97),
  fps: fields.fps.default(24),
  numInferenceSteps: fields.numInferenceSteps.default(25),
  guidanceScale: fields.guidanceScale.default(6),
  motionScore: fields.motionScore.default(5),
  addedPrompt: fields.addedPrompt.default(''),
  negativePrompt: fields.negativePrompt.default(''),
  promptLength: fields.promptLength.default(77),
  tasks: fields.tasks.optional(),
  usesDepth: fields.usesDepth.default(false),
  depthTasks: fields.depthTasks.default(REFERENCE_DEPTH_TASKS),
  depthScale: fields.depthScale.default('raw'),
  taskSettings: taskSettings.default({}),
});
export type PipelineSettings = z.infer<typeof PipelineSettings>;

/** The settings of one task. */
export type OwnSettings = Omit<PipelineSettings, 'taskSettings'>;

/** The default settings for one task. */
export function settingsFor(
  { taskSettings, ...settings }: PipelineSettings,
  { id, result }: Pick<Task, 'id' | 'result'>,
): OwnSettings {
  const still = result === 'image' ? { motionScore: 0, numFrames: 1 } : {};
  return { ...settings, ...still, ...taskSettings[id] };
}

const COLOURS = {
  addedPrompt: 'natural, vibrant',
  negativePrompt: 'over-saturated, grayscale, b&w, color bleeding, plain',
  guidanceScale: 7,
};
const DETAILS = {
  addedPrompt: 'clean, extremely detailed, high-resolution, 4k',
  negativePrompt:
    'blurry, dotted, noise, jpeg compression, raster lines, unclear, lowres, over-smoothed',
};

/**
 * Settings of the released pipelines, whose folders do not hold any.
 * Source: the reference's command line script
 */
export const RELEASED_SETTINGS: PipelineSettings = PipelineSettings.parse({
  usesDepth: true,
  addedPrompt: '#FPS: 16.',
  negativePrompt:
    'static, watermark, subtitles, scene change, flickering, distorted, discontinuous, bad anatomy, bad hands, missing fingers, cropped, ugly, blurry, low resolution, low quality, motionless, cartoon, animation, oil painting, #reverse, #motion: super-fast, #backplay, human distortion, unnatural movement',
  taskSettings: {
    t2i: { width: 1024, height: 1024 },
    icolor: { ...COLOURS, width: 1024, height: 1024 },
    vcolor: COLOURS,
    isr: { ...DETAILS, width: 1280, height: 1280 },
    vsr: DETAILS,
  },
});

export const ModelIndex = z.looseObject({
  _class_name: z.literal('MfMPipeline'),
  _mfm: PipelineSettings.optional(),
});
