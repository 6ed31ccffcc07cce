/** A job: one result that is asked for, and all that is known of it. */
import type { ResultTokens } from '../../index.js';
import type { OpenSpec, PlainOptions, Preview, Sheet } from '../engine/messages.js';
import type { ErrorBody } from '../schemas/error.js';
import type { PreviewView } from '../schemas/event.js';
import type { JobStage, JobState, VideoJob } from '../schemas/job.js';
import type { VideoRequest } from '../schemas/request.js';
import type { Stored } from '../store/shelf.js';

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
  /** absent until it is made, and in records of before it was looked for */
  sound?: boolean;
  inferenceSeconds: number | null;
  /** known when it is made */
  tokens: ResultTokens | null;
}

export const hasEnded = ({ status }: Pick<JobRecord, 'status'>): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

/** What is known only while it is made. */
export interface JobLive {
  stage: JobStage;
  step: number;
  steps: number;
  window: number;
  windows: number | null;
  etaMs: number | null;
  preview: Preview | null;
}

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
    sound: job.sound ?? null,
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

export const previewView = ({ webp, ...facts }: Preview): PreviewView => ({
  b64_json: Buffer.from(webp).toString('base64'),
  content_type: 'image/webp',
  ...facts,
});

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

/** The quality of the written picture, if one was asked for; encoders begin with 1. */
export const qualityOf = ({ output_compression: asked }: VideoRequest): number | undefined =>
  asked === undefined ? undefined : Math.max(1, asked);

const TYPES: Record<string, string> = {
  mp4: 'video/mp4',
  webm: 'video/webm',
  gif: 'image/gif',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
};

/** What results are answered as. */
export const RESULT_TYPES = [...new Set(Object.values(TYPES))];

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
