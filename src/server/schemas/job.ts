/** Jobs as they are answered, their queue, and what one would cost. */
import { z } from '@hono/zod-openapi';
import { ErrorBody } from './error.js';
import { orNull } from './list.js';
import { Media, VideoId } from './media.js';
import { fields } from './request.js';

export const JOB_STATES = ['queued', 'in_progress', 'completed', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

const Stage = z.enum(['starting', 'text', 'condition', 'steps', 'frames', 'saving']);
export type JobStage = z.infer<typeof Stage>;

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
    sound: z.boolean().nullable().describe('has the result sound? null: not known'),
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

export const QueueView = z
  .object({
    object: z.literal('queue'),
    paused: z.boolean(),
    running: orNull(VideoJob),
    data: z.array(VideoJob).describe('the next one first'),
    max: z.int().describe('the most jobs that may wait'),
  })
  .openapi('Queue');
export type QueueView = z.infer<typeof QueueView>;

export const Plan = z
  .object({
    object: z.literal('plan'),
    task: z.string(),
    model: z.string(),
    size: z.string(),
    width: z.int(),
    height: z.int(),
    num_frames: z.int().nullable(),
    fps: z.number().nullable(),
    num_windows: z.int().nullable(),
    seconds: z.number().nullable().describe('estimated time to make it'),
    peak_bytes: z.number().nullable(),
    available_bytes: z.number(),
    fits: z.boolean().nullable().describe('is there enough memory? null: not known'),
    queue_seconds: z.number().nullable().describe('estimated time until it would begin'),
    notes: z.array(z.string()),
    refusal: orNull(ErrorBody).describe(
      'the error with which it would fail now for lack of memory, or null',
    ),
  })
  .openapi('Plan');
export type Plan = z.infer<typeof Plan>;
