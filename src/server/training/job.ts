/** A fine-tuning job, in OpenAI's shape. */
import type { ErrorBody } from '../schemas/error.js';
import type { TrainingState, TrainingView } from '../schemas/training.js';
import type { Stored } from '../store/shelf.js';
import type { FineTuning } from './recipe.js';

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

const seconds = (ms: number | null) => (ms === null ? null : Math.floor(ms / 1000));

export function trainingView(job: TrainingRecord, live: TrainingLive | null): TrainingView {
  const done = job.status === 'succeeded';
  const running = job.status === 'running' ? live : null;
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
    doing: running?.doing ?? null,
    progress: done ? 100 : steps > 0 ? Math.min(99, Math.floor((100 * step) / steps)) : 0,
    eta_seconds: running && etaOf(running),
    seed: job.seed,
    error: job.error,
    notes: live?.notes ?? [],
  };
}

const isTrained = ({ step, steps }: TrainingLive): boolean => steps > 0 && step >= steps;

/** Seconds until the last step; null: not known. */
function etaOf(live: TrainingLive): number | null {
  const { step, steps, beginStep, beginMs } = live;
  if (beginStep < 0 || step <= beginStep || isTrained(live)) return null;
  const each = (Date.now() - beginMs) / 1000 / (step - beginStep);
  return Math.round(each * (steps - step));
}
