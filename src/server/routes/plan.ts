/** What a request would cost. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { withFields } from '../http/form-fields.js';
import { expectBody, route } from '../http/route.js';
import { planRequest } from '../jobs/create.js';
import type { ServerParts } from '../parts.js';
import { Plan } from '../schemas/job.js';
import { merged, VideoBody } from '../schemas/request.js';
import { MEDIA_FIELDS, VideoForm } from './videos.js';

const tag = 'Videos';

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
      const rules = { ...MEDIA_FIELDS, passing: true };
      const found = await withFields(c, parts.body, files, rules, async ({ fields }) => {
        const asked = merged(expectBody(VideoBody, fields));
        return { asked, ...(await planRequest(create, asked)) };
      });
      const { asked, plan, notes, refusal, task, model } = found;
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
