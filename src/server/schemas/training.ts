/** Fine-tuning jobs in OpenAI's shape, and runs, as they are answered. */
import { z } from '@hono/zod-openapi';
import { ErrorBody } from './error.js';
import { orNull } from './list.js';

export const TRAINING_STATES = [
  ...(['queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] as const),
] as const;
export type TrainingState = (typeof TRAINING_STATES)[number];

export const FineTuningId = z.string().regex(/^ftjob_[0-9a-f]{24}$/, {
  error: () => 'must be the id of a fine-tuning job, as POST /v1/fine_tuning/jobs answers it',
});

const unix = z.int().nullable();

export const TrainingView = z
  .object({
    id: FineTuningId,
    object: z.literal('fine_tuning.job'),
    status: z.enum(TRAINING_STATES),
    model: z.string(),
    name: z.string(),
    created_at: z.int(),
    started_at: unix,
    finished_at: unix,
    fine_tuned_model: z
      .string()
      .nullable()
      .describe('the id of a finished one: of a LoRA for `lora`, of a pipeline for `model`'),
    method: z.enum(['lora', 'full']),
    hyperparameters: z.record(z.string(), z.unknown()),
    training_files: z.int().nullable(),
    run: z.string().describe('its name at /v1/runs'),
    part: z.string().nullable(),
    step: z.int(),
    steps: z.int(),
    doing: z.string().nullable().describe('what it does besides training'),
    progress: z.number(),
    eta_seconds: z.number().nullable(),
    seed: z.int(),
    error: orNull(ErrorBody),
    notes: z.array(z.string()),
  })
  .openapi('FineTuningJob');
export type TrainingView = z.infer<typeof TrainingView>;

/** What happened in a fine-tuning job. */
export const FineTuningLine = z
  .object({
    id: z.string(),
    object: z.literal('fine_tuning.job.event'),
    created_at: z.int(),
    level: z.enum(['info', 'error']),
    message: z.string(),
    type: z.enum(['message', 'metrics']),
    data: z.record(z.string(), z.unknown()),
  })
  .openapi('FineTuningEvent');
export type FineTuningLine = z.infer<typeof FineTuningLine>;

export const DataFolder = z.object({ name: z.string(), files: z.int() });
export type DataFolder = z.infer<typeof DataFolder>;

export const RunView = z
  .object({
    name: z.string(),
    object: z.literal('run'),
    state: z.enum(['running', 'stopped', 'finished', 'failed', 'lost', 'unknown']),
    part: z.string().nullable(),
    stage: z.string().nullable(),
    doing: z.string().nullable(),
    step: z.int().nullable(),
    steps: z.int().nullable(),
    loss: z.number().nullable(),
    validation: z.number().nullable(),
    samples_per_second: z.number().nullable(),
    updated_at: z.int().nullable(),
    size_bytes: z.int(),
    message: z.string().nullable(),
    fine_tuning_job: z.string().nullable(),
  })
  .openapi('Run');

export type RunView = z.infer<typeof RunView>;

export const WholeRun = RunView.extend({
  recipe: z.unknown(),
  samples: z.array(z.string()).describe('sample sheets, to be had at …/samples/{file}'),
}).openapi('RunWithRecipe');
export type WholeRun = z.infer<typeof WholeRun>;

export const RunMetrics = z
  .object({
    object: z.literal('run.metrics'),
    run: z.string(),
    parts: z.array(
      z.object({
        part: z.string(),
        step: z.int(),
        figures: z.record(
          z.string(),
          z.object({
            kind: z.enum(['loss', 'validation', 'quality', 'state']),
            points: z
              .array(z.tuple([z.int(), z.number(), z.int(), z.number().nullable()]))
              .describe('[step, seconds, samples, value]; a value of null is not a number'),
          }),
        ),
      }),
    ),
  })
  .openapi('RunMetrics');
export type RunMetrics = z.infer<typeof RunMetrics>;
