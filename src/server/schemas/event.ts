/** What the streams of events say; `type` is the name of the event. */
import { z } from '@hono/zod-openapi';
import { VideoJob } from './job.js';
import { VideoId } from './media.js';
import { FineTuningId, FineTuningLine, TrainingView } from './training.js';

export const PreviewView = z
  .object({
    b64_json: z.string().describe('a small picture, which moves if the result does'),
    content_type: z.literal('image/webp'),
    width: z.int(),
    height: z.int(),
    frames: z.int(),
    step: z.int(),
    steps: z.int(),
  })
  .openapi('Preview');
export type PreviewView = z.infer<typeof PreviewView>;

/** The names of events with which a job ends. */
export const JOB_ENDS = ['completed', 'failed', 'cancelled'] as const;

const JobEvent = z.object({
  type: z.enum(['queued', 'started', 'progress', ...JOB_ENDS]),
  video: VideoJob,
});
export type JobEvent = z.infer<typeof JobEvent>;

export const EventData = z
  .union([
    JobEvent,
    z.object({ type: z.literal('preview'), video: VideoJob, preview: PreviewView }),
    z.object({ type: z.literal('deleted'), video: z.object({ id: VideoId }) }),
    z.object({
      type: z.literal('queue'),
      queue: z.object({ paused: z.boolean(), ids: z.array(VideoId) }),
    }),
    z.object({ type: z.literal('fine_tuning'), job: TrainingView }),
    z.object({ type: z.literal('fine_tuning_event'), job: FineTuningId, event: FineTuningLine }),
    z.object({ type: z.literal('resync') }).describe('events were missed: look at the lists again'),
  ])
  .openapi('Event');
export type EventData = z.infer<typeof EventData>;
