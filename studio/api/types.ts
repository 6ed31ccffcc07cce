/** What the server sends and takes, as docs/server.md describes it. */

export type JobStatus = 'queued' | 'in_progress' | 'completed' | 'failed' | 'cancelled';
export type ResultKind = 'image' | 'video';

export interface ApiProblem {
  type: string;
  code: string;
  message: string;
  param: string | null;
  hint: string | null;
  fits?: readonly Record<string, unknown>[];
}

export interface Health {
  status: string;
  version: string;
  auth: 'none' | 'required' | 'ok';
  engine: 'idle' | 'busy' | 'starting' | 'stopped';
}

export interface Model {
  id: string;
  loaded: boolean;
  default: boolean;
  device: string | null;
  dtype: string | null;
  memory_bytes: number | null;
}

export interface JsonSchema {
  type?: string | readonly string[];
  description?: string;
  default?: unknown;
  enum?: readonly unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  multipleOf?: number;
  anyOf?: readonly JsonSchema[];
  oneOf?: readonly JsonSchema[];
  properties?: Readonly<Record<string, JsonSchema>>;
  required?: readonly string[];
}

export interface Task {
  id: string;
  summary: string;
  result: ResultKind;
  trained: boolean;
  inputs: readonly ('image' | 'video' | 'depth')[];
  optional_inputs: readonly ('image' | 'video' | 'depth')[];
  placed: boolean;
  mask: 'none' | 'hole' | 'margins';
  follows_input: boolean;
  size: 'pipeline' | 'shape of input' | 'input' | 'larger';
  keeps: string;
  prompt: 'required' | 'optional';
  prompt_is: 'caption' | 'instruction';
  defaults: Readonly<Record<string, unknown>>;
  schema: JsonSchema;
}

export interface Upload {
  id: string;
  bytes: number;
  filename: string;
  content_type: string;
  kind: 'image' | 'video' | 'lora' | 'depth' | 'text' | 'other';
  width: number | null;
  height: number | null;
  num_frames: number | null;
  fps: number | null;
  notes: readonly string[];
}

/** A picture or clip that a request refers to. */
export type MediaSource =
  | { file_id: string; frame?: number }
  | { video_id: string; frame?: number };

export interface Job {
  id: string;
  status: JobStatus;
  model: string;
  task: string;
  result: ResultKind;
  progress: number;
  created_at: number;
  started_at: number | null;
  completed_at: number | null;
  prompt: string | null;
  seed: string;
  size: string | null;
  width: number | null;
  height: number | null;
  num_frames: number | null;
  fps: number | null;
  queue_position: number | null;
  stage: string | null;
  step: number | null;
  steps: number | null;
  window: number | null;
  windows: number | null;
  eta_seconds: number | null;
  inference_time_s: number | null;
  error: ApiProblem | null;
  notes: readonly string[];
  attempts: number;
  request: Readonly<Record<string, unknown>>;
  content_type: string | null;
  bytes: number | null;
  spritesheet: Spritesheet | null;
  preview: boolean;
}

export interface Spritesheet {
  columns: number;
  rows: number;
  frames: number;
  width: number;
  height: number;
}

export interface Preview {
  b64_json: string;
  content_type: string;
  width: number;
  height: number;
  frames: number;
  step: number;
  steps: number;
}

export interface Queue {
  paused: boolean;
  running: Job | null;
  data: readonly Job[];
  max: number;
}

export interface Plan {
  task: string;
  width: number;
  height: number;
  num_frames: number | null;
  fps: number | null;
  num_windows: number | null;
  seconds: number | null;
  peak_bytes: number | null;
  available_bytes: number | null;
  fits: boolean | null;
  queue_seconds: number | null;
  notes: readonly string[];
  refusal: ApiProblem | null;
}

export type FineTuningStatus =
  | 'queued'
  | 'running'
  | 'paused'
  | 'succeeded'
  | 'failed'
  | 'cancelled';

export interface FineTuningJob {
  id: string;
  status: FineTuningStatus;
  model: string;
  name: string;
  created_at: number;
  fine_tuned_model: string | null;
  method: 'lora' | 'full';
  run: string;
  part: string | null;
  step: number | null;
  steps: number | null;
  doing: string | null;
  progress: number;
  eta_seconds: number | null;
  error: ApiProblem | null;
}

export interface Run {
  name: string;
  state: 'running' | 'stopped' | 'finished' | 'failed' | 'lost' | 'unknown';
  part: string | null;
  stage: string | null;
  doing: string | null;
  step: number | null;
  steps: number | null;
  loss: number | null;
  validation: number | null;
  samples_per_second: number | null;
  updated_at: number | null;
  message: string | null;
  fine_tuning_job: string | null;
}

export interface RunDetails extends Run {
  samples: readonly string[];
}

/** step, seconds since the start, samples, value */
export type MetricPoint = readonly [number, number | null, number | null, number | null];

export interface Figure {
  kind: 'loss' | 'validation' | 'quality' | 'state';
  points: readonly MetricPoint[];
}

export interface RunMetrics {
  run: string;
  parts: readonly { part: string; step: number; figures: Readonly<Record<string, Figure>> }[];
}

/** What a server-sent event carries. */
export type StudioEvent =
  | {
      type: 'queued' | 'started' | 'progress' | 'completed' | 'failed' | 'cancelled';
      video: Job;
    }
  | { type: 'preview'; video: Job; preview: Preview }
  | { type: 'deleted'; video: { id: string } }
  | { type: 'queue'; queue: Queue }
  | { type: 'fine_tuning'; job: FineTuningJob }
  | { type: 'resync' };
