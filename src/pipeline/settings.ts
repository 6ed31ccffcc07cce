/** What a pipeline folder says about its own use: `_mfm` in model_index.json. */
import { z } from 'zod';

// The defaults are those of the released models. Source: the reference's command line script
export const PipelineSettings = z.strictObject({
  width: z.int().positive().multipleOf(16).default(640).describe('width made by default, pixels'),
  height: z.int().positive().multipleOf(16).default(352).describe('height made by default, pixels'),
  numFrames: z.int().positive().default(97).describe('frames of a clip, 4k + 1'),
  fps: z.number().positive().default(24).describe('frames a second of written clips'),
  numInferenceSteps: z.int().positive().default(25).describe('sampling steps'),
  guidanceScale: z.number().min(0).default(6).describe('classifier-free guidance; 1 is none'),
  motionScore: z.number().min(0).default(5).describe('how much clips move; images have 0'),
  promptLength: z.int().min(2).max(512).default(77).describe('tokens of a prompt'),
  tasks: z.array(z.string()).optional().describe('tasks it was trained on; all if left out'),
});
export type PipelineSettings = z.infer<typeof PipelineSettings>;

export const ModelIndex = z.looseObject({
  _class_name: z.literal('MfMPipeline'),
  _mfm: PipelineSettings.optional(),
});
