/** A fine-tuning job, in OpenAI's shape. */
import { z } from '@hono/zod-openapi';
import { ErrorBody } from '../errors.js';
import { orNull } from '../schemas/list.js';
import type { Stored } from '../store/shelf.js';
import type { FineTuning } from './recipe.js';

export const TRAINING_STATES = [
  ...(['queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] as const),
] as const;
export type TrainingState = (typeof TRAINING_STATES)[number];

export interface TrainingRecord extends Stored {
  status: TrainingState;
  model: string;
  name: string;
  /** the name of its folder among the runs */
  run: string;
  seed: number;
  method: 'lora' | 'full';
  asked: FineTuning;
  recipe: Record<string, unknown>;
  /** number of training files; null: the recipe names its own data */
  numFiles: number | null;
  startedMs: number | null;
  endedMs: number | null;
  error: ErrorBody | null;
}

/** What is known of it while it runs, and afterwards until the server ends. */
export interface TrainingLive {
  part: string | null;
  step: number;
  steps: number;
  doing: string | null;
  /** where it began in this process, to estimate the rest */
  beginStep: number;
  beginMs: number;
  notes: string[];
}

export const FineTuningId = z.string().regex(/^ftjob_[0-9a-f]{24}$/);

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

const seconds = (ms: number | null) => (ms === null ? null : Math.floor(ms / 1000));

export function trainingView(job: TrainingRecord, live: TrainingLive | null): TrainingView {
  const done = job.status === 'succeeded';
  const { step = 0, steps = 0 } = live ?? {};
  return {
    id: job.id,
    object: 'fine_tuning.job',
    status: job.status,
    model: job.model,
    name: job.name,
    created_at: Math.floor(job.createdMs / 1000),
    started_at: seconds(job.startedMs),
    finished_at: seconds(job.endedMs),
    fine_tuned_model: done ? job.id : null,
    method: job.method,
    hyperparameters: job.asked.hyperparameters ?? {},
    training_files: job.numFiles,
    run: job.run,
    part: live?.part || null,
    step,
    steps,
    doing: live?.doing ?? null,
    progress: done ? 100 : steps > 0 ? Math.min(99, Math.floor((100 * step) / steps)) : 0,
    eta_seconds: job.status === 'running' && live ? etaOf(live) : null,
    seed: job.seed,
    error: job.error,
    notes: live?.notes ?? [],
  };
}

function etaOf({ step, steps, beginStep, beginMs }: TrainingLive): number | null {
  if (beginStep < 0 || step <= beginStep) return null;
  const each = (Date.now() - beginMs) / 1000 / (step - beginStep);
  return Math.round(each * (steps - step));
}
