/** What the server has: pipelines, their tasks; and whether it lives. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { packageVersion } from '../../files/package-root.js';
import { wrongState } from '../errors.js';
import { route } from '../http/route.js';
import { ModelView } from '../models.js';
import type { ServerParts } from '../parts.js';
import { TaskView, taskView } from '../schemas/tasks.js';

const tag = 'Models';

const Health = z
  .object({
    status: z.literal('ok'),
    version: z.string(),
    auth: z
      .enum(['none', 'required', 'ok'])
      .describe('ok: this request has a key that is accepted'),
    engine: z.enum(['idle', 'busy', 'stopped']),
    queue: z.object({ paused: z.boolean(), queued: z.int(), running: z.int() }),
    uptime_seconds: z.int(),
  })
  .openapi('Health');

const One = z.strictObject({ id: z.string().min(1).max(200) });

export function modelRoutes(app: OpenAPIHono, parts: ServerParts): void {
  const { models, engine, queue, guard } = parts;

  route(
    app,
    {
      method: 'get',
      path: '/health',
      tag: 'Server',
      summary: 'Does the server live?',
      answer: Health,
    },
    (c) => {
      const asked = guard.whoAsks(c) !== null;
      const health: z.infer<typeof Health> = {
        status: 'ok',
        version: packageVersion,
        auth: guard.needsKey ? (asked ? 'ok' : 'required') : 'none',
        engine: queue.runningJob ? 'busy' : engine.isRunning ? 'idle' : 'stopped',
        queue: {
          paused: queue.paused,
          queued: queue.queued.length,
          running: queue.runningJob ? 1 : 0,
        },
        uptime_seconds: Math.floor((Date.now() - parts.startedMs) / 1000),
      };
      return c.json(health);
    },
  );

  const list = z.object({ object: z.literal('list'), data: z.array(ModelView) });
  route(
    app,
    { method: 'get', path: '/v1/models', tag, summary: 'The pipelines', answer: list },
    (c) =>
      c.json({
        object: 'list' as const,
        data: models.all().map((model) => models.view(model, engine)),
      }),
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/models/{id}',
      tag,
      summary: 'A pipeline',
      params: One,
      answer: ModelView,
    },
    (c, { params }) => c.json(models.view(models.get(params.id), engine)),
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/models/{id}/load',
      tag,
      summary: 'Opens a pipeline, so that the next job begins at once',
      params: One,
      answer: ModelView,
    },
    async (c, { params }) => {
      const model = models.get(params.id);
      await engine.call('open', { open: models.openOf(model.id, []) });
      models.loaded = model.id;
      return c.json(models.view(model, engine));
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/models/{id}/unload',
      tag,
      summary: "Frees the engine's memory",
      params: One,
      answer: ModelView,
    },
    async (c, { params }) => {
      const model = models.get(params.id);
      if (queue.runningJob) {
        throw wrongState(
          `${params.id}: ${queue.runningJob.id} is being made; wait for it, or cancel it`,
        );
      }
      if (models.loaded === model.id) {
        await engine.stop();
        models.loaded = null;
      }
      return c.json(models.view(model, engine));
    },
  );

  const tasks = z.object({ object: z.literal('list'), model: z.string(), data: z.array(TaskView) });
  const Query = z.strictObject({ model: z.string().max(200).optional() });
  route(
    app,
    {
      method: 'get',
      path: '/v1/tasks',
      tag,
      summary: 'Every task: what it takes, as JSON Schema, and its defaults',
      query: Query,
      answer: tasks,
    },
    (c, { query }) => {
      const model = models.get(query.model);
      return c.json({
        object: 'list' as const,
        model: model.id,
        data: model.facts.tasks.map(taskView),
      });
    },
  );
}
