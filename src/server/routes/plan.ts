/** What a request would cost. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { readFields } from '../http/form-fields.js';
import { expectBody, route } from '../http/route.js';
import { planRequest } from '../jobs/create.js';
import type { ServerParts } from '../parts.js';
import { merged, VideoBody } from '../schemas/request.js';
import { MEDIA_FIELDS, VideoForm } from './videos.js';

const tag = 'Videos';

const Plan = z
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
    refusal: z
      .unknown()
      .describe('the error with which it would fail now for lack of memory, or null'),
  })
  .openapi('Plan');

export function planRoutes(app: OpenAPIHono, parts: ServerParts): void {
  const { queue, create, files } = parts;
  const body = { schema: VideoBody, form: VideoForm };

  route(
    app,
    {
      method: 'post',
      path: '/v1/plan',
      tag,
      summary: 'The cost of a request, or why it is refused; nothing is queued',
      body,
      answer: Plan,
    },
    async (c) => {
      const { fields } = await readFields(c, parts.body, files, MEDIA_FIELDS);
      const asked = merged(expectBody(VideoBody, fields));
      const { plan, notes, refusal, task, model } = await planRequest(create, asked);
      const isImage = task.result === 'image';
      return c.json({
        object: 'plan' as const,
        task: task.id,
        model: model.id,
        size: `${plan.width}x${plan.height}`,
        width: plan.width,
        height: plan.height,
        num_frames: plan.numFrames,
        fps: isImage ? null : (asked.fps ?? plan.fps),
        num_windows: plan.numWindows,
        seconds: plan.seconds,
        peak_bytes: plan.peakBytes,
        available_bytes: plan.availableBytes,
        fits: plan.fits,
        queue_seconds: queue.waitSeconds,
        notes,
        refusal,
      });
    },
  );
}
