/** What the server has, as it is answered: itself, its pipelines, and their tasks. */
import { z } from '@hono/zod-openapi';

export const Health = z
  .object({
    status: z.literal('ok'),
    version: z.string(),
    auth: z
      .enum(['none', 'required', 'ok'])
      .describe('ok: this request has a key that is accepted'),
    engine: z.enum(['idle', 'busy', 'stopped']),
    queue: z.object({ paused: z.boolean(), queued: z.int(), running: z.int() }),
    uptime_seconds: z.int(),
  })
  .openapi('Health');
export type Health = z.infer<typeof Health>;

export const ModelView = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.literal('mfm'),
    default: z.boolean(),
    loaded: z.boolean().describe('is it open in the engine?'),
    folder: z.string().describe('the last part of its path'),
    device: z.string(),
    dtype: z.string(),
    tasks: z.array(z.string()).describe('tasks that it was trained on'),
    parts: z.array(z.object({ name: z.string(), bytes: z.int() })),
    memory_bytes: z.int().nullable().describe("the engine's memory, if it is loaded"),
  })
  .openapi('Model');
export type ModelView = z.infer<typeof ModelView>;

const InputKind = z.enum(['image', 'video', 'depth']);

export const TaskView = z
  .object({
    id: z.string(),
    object: z.literal('task'),
    summary: z.string().describe('one phrase'),
    result: z.enum(['image', 'video']),
    trained: z.boolean().describe('was the pipeline trained on it?'),
    inputs: z.array(InputKind).describe('inputs that it needs, in this order'),
    optional_inputs: z.array(InputKind).describe('inputs that may follow those'),
    placed: z.boolean().describe('it takes `known` parts at places instead of inputs'),
    mask: z.enum(['none', 'hole', 'margins']),
    follows_input: z.boolean().describe("the result has the input's frames and rate"),
    size: z
      .enum(['pipeline', 'shape of input', 'input', 'larger'])
      .describe("the result's size unless one is asked for"),
    keeps: z.string().describe('what of the input is put back into the result'),
    prompt: z.enum(['required', 'optional']),
    prompt_is: z.enum(['caption', 'instruction']),
    defaults: z.object({
      size: z.string(),
      num_frames: z.int(),
      fps: z.number(),
      num_inference_steps: z.int(),
      guidance_scale: z.number(),
      motion_score: z.number(),
      added_prompt: z.string(),
      negative_prompt: z.string(),
      seed: z.null(),
    }),
    schema: z
      .looseObject({ properties: z.record(z.string(), z.record(z.string(), z.unknown())) })
      .describe('JSON Schema of a body of POST /v1/videos for this task'),
  })
  .openapi('Task');
export type TaskView = z.infer<typeof TaskView>;

export const LoraView = z
  .object({
    id: z.string().describe('what a request names it by'),
    object: z.literal('lora'),
    name: z.string().describe('what people call it'),
    origin: z.enum(['upload', 'fine_tuning', 'folder']),
    created_at: z.int(),
  })
  .openapi('LoraFile');
export type LoraView = z.infer<typeof LoraView>;
