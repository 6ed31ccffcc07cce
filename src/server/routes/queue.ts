/** The queue: looked at, paused, resumed, put into another order. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { readJson } from '../http/body.js';
import { expectBody, route } from '../http/route.js';
import type { ServerParts } from '../parts.js';
import { QueueView } from '../schemas/job.js';
import { VideoId } from '../schemas/media.js';

const tag = 'Queue';

const Order = z
  .strictObject({
    ids: z.array(VideoId).max(100_000).describe('these first, in this order; the others as before'),
  })
  .openapi('QueueOrder');

export function queueRoutes(app: OpenAPIHono, parts: ServerParts): void {
  const { queue, maxQueue } = parts;
  const view = (): QueueView => ({
    object: 'queue',
    paused: queue.paused,
    running: queue.runningJob && queue.view(queue.runningJob),
    data: queue.queued.map((job) => queue.view(job)),
    max: maxQueue,
  });

  route(
    app,
    { method: 'get', path: '/v1/queue', tag, summary: 'The queue', answer: QueueView },
    (c) => c.json(view()),
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/queue/pause',
      tag,
      summary: 'Begins no more jobs; the one in progress is finished',
      answer: QueueView,
    },
    async (c) => {
      await queue.setPaused(true);
      return c.json(view());
    },
  );

  route(
    app,
    { method: 'post', path: '/v1/queue/resume', tag, summary: 'Goes on', answer: QueueView },
    async (c) => {
      await queue.setPaused(false);
      return c.json(view());
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/queue/reorder',
      tag,
      summary: 'Puts queued jobs first',
      body: { schema: Order },
      answer: QueueView,
    },
    async (c) => {
      const { ids } = expectBody(Order, await readJson(c, parts.body));
      await queue.reorder(ids);
      return c.json(view());
    },
  );
}
