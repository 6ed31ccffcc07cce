/** What a pipeline folder says about its own use: `_mfm` in model_index.json. */
import { z } from 'zod';

const fields = {
  width: z.int().positive().multipleOf(16).describe('width made by default, pixels'),
  height: z.int().positive().multipleOf(16).describe('height made by default, pixels'),
  numFrames: z
    .int()
    .positive()
    .refine((count) => count % 4 === 1, 'must be 4k + 1 (1, 5, 9, …)')
    .describe('frames of a clip, 4k + 1'),
  fps: z.number().positive().describe('frames a second of written clips'),
  numInferenceSteps: z.int().positive().describe('sampling steps'),
  guidanceScale: z.number().min(0).describe('classifier-free guidance; 1 is none'),
  taskGuidance: z
    .record(z.string(), z.number().min(0))
    .describe('guidance of single tasks, where it differs'),
  motionScore: z.number().min(0).describe('how much clips move; images have 0'),
  promptLength: z.int().min(2).max(512).describe('tokens of a prompt'),
  tasks: z.array(z.string()).describe('tasks it was trained on; all if left out'),
};

/** Those that a recipe names; the others follow from what is trained. */
export const PipelineChanges = z.strictObject(fields).partial();

// The defaults are those of the released models. Source: the reference's command line script
export const PipelineSettings = z.strictObject({
  width: fields.width.default(640),
  height: fields.height.default(352),
  numFrames: fields.numFrames.default(97),
  fps: fields.fps.default(24),
  numInferenceSteps: fields.numInferenceSteps.default(25),
  guidanceScale: fields.guidanceScale.default(6),
  taskGuidance: fields.taskGuidance.default({}),
  motionScore: fields.motionScore.default(5),
  promptLength: fields.promptLength.default(77),
  tasks: fields.tasks.optional(),
});
export type PipelineSettings = z.infer<typeof PipelineSettings>;

/** The guidance scale that a task is used with unless another is asked for. */
export function guidanceFor({ taskGuidance, guidanceScale }: PipelineSettings, id: string): number {
  return taskGuidance[id] ?? guidanceScale;
}

export const ModelIndex = z.looseObject({
  _class_name: z.literal('MfMPipeline'),
  _mfm: PipelineSettings.optional(),
});
