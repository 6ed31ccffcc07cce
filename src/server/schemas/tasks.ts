/** What each task takes, as the server's fields: the studio's forms are made of it. */
import { z } from '@hono/zod-openapi';
import type { TaskFacts } from '../engine/messages.js';
import type { TaskView } from './model.js';
import { type FieldName, fields } from './request.js';

/** Fields that every task takes. */
const COMMON: readonly FieldName[] = [
  ...(['task', 'model', 'prompt', 'negative_prompt', 'added_prompt', 'seed', 'size'] as const),
  ...(['num_inference_steps', 'guidance_scale', 'guidance_range', 'motion_score'] as const),
  ...(['solver', 'use_t_schedule', 'cache_threshold', 'lora', 'output_format'] as const),
  ...(['metadata'] as const),
];

/** Fields that a task takes besides those, and whether it needs them. */
function ownFields(task: TaskFacts): FieldName[] {
  const most = task.inputs.length + task.optionalInputs.length;
  const hasInput = most > 0 || task.placed;
  return [
    ...(most > 0 ? (['inputs', 'input_reference'] as const) : []),
    ...(task.mask === 'none' ? [] : (['mask', 'invert_mask'] as const)),
    ...(task.mask === 'margins' ? (['expand'] as const) : []),
    ...(task.keeps === 'brightness' ? (['reference'] as const) : []),
    ...(task.placed ? (['known'] as const) : []),
    ...(hasInput ? (['depth', 'depth_is', 'noise_aug_strength'] as const) : []),
    ...(hasInput ? (['fit', 'strict', 'keep_known'] as const) : []),
    ...(task.inputs[0] === 'depth' ? (['depth_from'] as const) : []),
    ...(task.result === 'video' ? (['num_frames', 'seconds', 'fps', 'window'] as const) : []),
    ...(task.result === 'image' ? (['output_compression'] as const) : []),
    ...(task.size === 'larger' ? (['upscale', 'tile'] as const) : []),
  ];
}

/** The JSON Schema of a request for this task. */
export function schemaOf(task: TaskFacts): TaskView['schema'] {
  const names = [...COMMON, ...ownFields(task)];
  const shape: Record<string, z.ZodType> = {};
  for (const name of names) shape[name] = fields[name].optional();
  shape.task = z.literal(task.id);
  if (task.prompt === 'required') shape.prompt = fields.prompt.min(1);
  if (task.mask === 'hole') shape.mask = fields.mask;
  const [least, most] = [task.inputs.length, task.inputs.length + task.optionalInputs.length];
  // the first input may also come as input_reference, and depth as depth_from
  const others = task.inputs[0] === 'depth' || least === 1;
  if (most > 0) {
    const inputs = fields.inputs.max(most);
    shape.inputs = others ? inputs.optional() : inputs.min(least);
  }
  const schema = z.toJSONSchema(z.strictObject(shape), { io: 'input' }) as TaskView['schema'];
  const needs = alternatives(task).map((names) => ({
    anyOf: names.map((name) => ({ required: [name] })),
  }));
  return needs.length > 0 ? { ...schema, allOf: needs } : schema;
}

/** Groups of fields, of each of which at least one is needed. */
function alternatives(task: TaskFacts): FieldName[][] {
  if (task.placed) return [['known', 'depth']];
  const input: FieldName[] = ['inputs', 'input_reference'];
  if (task.inputs[0] === 'depth') return [[...input, 'depth_from']];
  return [
    ...(task.inputs.length === 1 ? [input] : []),
    ...(task.mask === 'margins' ? [['mask', 'expand'] as FieldName[]] : []),
  ];
}

export function taskView(task: TaskFacts): TaskView {
  const { width, height, numFrames, fps, numInferenceSteps, guidanceScale } = task.defaults;
  const { motionScore, addedPrompt, negativePrompt } = task.defaults;
  return {
    id: task.id,
    object: 'task',
    summary: task.summary,
    result: task.result,
    trained: task.trained,
    inputs: task.inputs,
    optional_inputs: task.optionalInputs,
    placed: task.placed,
    mask: task.mask,
    follows_input: task.followsInput,
    size: task.size,
    keeps: task.keeps,
    prompt: task.prompt,
    prompt_is: task.promptIs,
    defaults: {
      size: `${width}x${height}`,
      num_frames: numFrames,
      fps,
      num_inference_steps: numInferenceSteps,
      guidance_scale: guidanceScale,
      motion_score: motionScore,
      added_prompt: addedPrompt,
      negative_prompt: negativePrompt,
      seed: null,
    },
    schema: schemaOf(task),
  };
}
