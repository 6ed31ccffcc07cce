/** A job: one result that is asked for, and all that is known of it. */
import { z } from '@hono/zod-openapi';
import type { OpenSpec, PlainOptions, Preview, Sheet } from '../engine/messages.js';
import { ErrorBody } from '../errors.js';
import { orNull } from '../schemas/list.js';
import { Media, VideoId } from '../schemas/media.js';
import { fields, type VideoRequest } from '../schemas/request.js';
import type { Stored } from '../store/shelf.js';

export const JOB_STATES = ['queued', 'in_progress', 'completed', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

/** What job.json holds: everything that is needed to make the result, at any time again. */
export interface JobRecord extends Stored {
  status: JobState;
  startedMs: number | null;
  endedMs: number | null;
  model: string;
  task: string;
  result: 'image' | 'video';
  /** in decimal, as 64 bits do not fit into a number */
  seed: string;
  /** as it was asked for, with its seed */
  request: VideoRequest;
  /** the same for the library, with inputs that lie in the job's folder */
  options: PlainOptions;
  loras: OpenSpec['loras'];
  fps: number | null;
  /** the file that is made, in the job's folder */
  file: string;
  remixedFrom: string | null;
  /** times that it was started: more than once after a restart */
  attempts: number;
  notes: string[];
  error: ErrorBody | null;
  idempotency: { key: string; hash: string } | null;
  /** size, length and rate: as planned, then as made */
  shape: { width: number; height: number; numFrames: number | null; fps: number | null };
  /** what the plan estimated */
  plannedSeconds: number | null;
  bytes: number | null;
  inferenceSeconds: number | null;
}

/** What is known only while it is made. */
export interface JobLive {
  stage: z.infer<typeof Stage>;
  step: number;
  steps: number;
  window: number;
  windows: number | null;
  etaMs: number | null;
  preview: Preview | null;
}

const Stage = z.enum(['starting', 'text', 'condition', 'steps', 'frames', 'saving']);

const unix = z.int().nullable();

export const VideoJob = z
  .object({
    id: VideoId,
    object: z.literal('video'),
    model: z.string(),
    status: z.enum(JOB_STATES),
    progress: z.number().min(0).max(100),
    created_at: z.int().describe('Unix time in seconds'),
    started_at: unix,
    completed_at: unix.describe('when it ended, in whatever way'),
    expires_at: z.null(),
    prompt: z.string(),
    size: z.string(),
    seconds: z.string().nullable().describe('null: the end of the input decides'),
    remixed_from_video_id: z.string().nullable(),
    error: orNull(ErrorBody),
    task: z.string(),
    result: z.enum(['image', 'video']),
    seed: z.string().describe('in decimal'),
    num_frames: z.int().nullable(),
    fps: z.number().nullable(),
    width: z.int(),
    height: z.int(),
    queue_position: z.int().nullable().describe('0 is the next one; null: it is not queued'),
    stage: Stage.nullable().describe('what is being done; null: it is not in progress'),
    step: z.int(),
    steps: z.int(),
    window: z.int().describe('the current one, counted from 0'),
    windows: z.int().nullable(),
    eta_seconds: z.number().nullable(),
    inference_time_s: z.number().nullable(),
    notes: z.array(z.string()).describe('what was fitted, cut off or found in files'),
    attempts: z.int(),
    request: z
      .object({ ...fields, video: Media })
      .partial()
      .describe('POST it again to repeat the job'),
    metadata: z.record(z.string(), z.string()),
    content_type: z.string().nullable(),
    bytes: z.int().nullable(),
    spritesheet: z
      .object({
        columns: z.int(),
        rows: z.int(),
        frames: z.int(),
        width: z.int().describe('of one frame in it'),
        height: z.int(),
      })
      .nullable(),
    preview: z.boolean().describe('is there one to be had as a variant of the content?'),
  })
  .openapi('Video');
export type VideoJob = z.infer<typeof VideoJob>;

const seconds = (ms: number | null) => (ms === null ? null : Math.floor(ms / 1000));

/** A job as it is answered. */
export function viewOf(
  job: JobRecord,
  live: JobLive | null,
  queuePosition: number | null,
): VideoJob {
  const { width, height, numFrames, fps } = job.shape;
  const done = job.status === 'completed';
  const sheet = done ? sheetOf(job) : null;
  return {
    id: job.id,
    object: 'video',
    model: job.model,
    status: job.status,
    progress: done ? 100 : progressOf(live),
    created_at: Math.floor(job.createdMs / 1000),
    started_at: seconds(job.startedMs),
    completed_at: seconds(job.endedMs),
    expires_at: null,
    prompt: job.request.prompt ?? '',
    size: `${width}x${height}`,
    seconds: numFrames === null || fps === null ? null : String(+(numFrames / fps).toFixed(3)),
    remixed_from_video_id: job.remixedFrom,
    error: job.error,
    task: job.task,
    result: job.result,
    seed: job.seed,
    num_frames: numFrames,
    fps,
    width,
    height,
    queue_position: queuePosition,
    stage: live?.stage ?? null,
    step: live?.step ?? 0,
    steps: live?.steps ?? 0,
    window: live?.window ?? 0,
    windows: live?.windows ?? null,
    eta_seconds: live?.etaMs == null ? null : Math.round(live.etaMs / 100) / 10,
    inference_time_s: job.inferenceSeconds,
    notes: job.notes,
    attempts: job.attempts,
    request: job.request,
    metadata: job.request.metadata ?? {},
    content_type: done ? contentTypeOf(job.file) : null,
    bytes: job.bytes,
    spritesheet: sheet && {
      columns: sheet.columns,
      rows: sheet.rows,
      frames: sheet.indices.length,
      width: sheet.width,
      height: sheet.height,
    },
    preview: Boolean(live?.preview),
  };
}

/** Shares of a window's time, roughly: nearly all of it is denoising and decoding. */
const PHASES = {
  starting: [0, 0],
  text: [0, 2],
  condition: [2, 3],
  steps: [5, 75],
  frames: [80, 19],
  saving: [99, 0],
};

function progressOf(live: JobLive | null): number {
  if (!live) return 0;
  const [begin, share] = PHASES[live.stage] as [number, number];
  const within = begin + (live.steps > 0 ? (share * live.step) / live.steps : 0);
  const { window, windows } = live;
  const whole = windows ? (100 * window + within) / windows : within;
  return Math.min(99, Math.floor(whole));
}

const TYPES: Record<string, string> = {
  mp4: 'video/mp4',
  webm: 'video/webm',
  gif: 'image/gif',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
};

export const contentTypeOf = (file: string): string =>
  TYPES[file.slice(file.lastIndexOf('.') + 1)] ?? 'application/octet-stream';

/** The most frames of a sheet, and the longest side of one of them. */
const CELLS = 64;
const CELL_SIDE = 160;
const THUMBNAIL_SIDE = 320;

/** The sheet of a finished job: frames at even distances, the first and the last among them. */
export function sheetOf({ shape }: JobRecord): Sheet {
  const frames = shape.numFrames ?? 1;
  const count = Math.min(CELLS, frames);
  const columns = Math.ceil(Math.sqrt(count));
  const indices = Array.from({ length: count }, (_, i) =>
    count === 1 ? 0 : Math.round((i * (frames - 1)) / (count - 1)),
  );
  return { columns, rows: Math.ceil(count / columns), indices, ...within(shape, CELL_SIDE) };
}

/** The thumbnail is a sheet of the first frame alone. */
export const thumbnailOf = ({ shape }: JobRecord): Sheet => ({
  columns: 1,
  rows: 1,
  indices: [0],
  ...within(shape, THUMBNAIL_SIDE),
});

function within({ width, height }: { width: number; height: number }, side: number) {
  const scale = Math.min(1, side / Math.max(width, height));
  return {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  };
}
