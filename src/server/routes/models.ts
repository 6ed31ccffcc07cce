/** What the server has: pipelines, their tasks; and whether it lives. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { packageVersion } from '../../files/package-root.js';
import { wrongState } from '../errors.js';
import { route } from '../http/route.js';
import type { ServerParts } from '../parts.js';
import { listOf } from '../schemas/list.js';
import { Health, LoraView, ModelView, TaskView } from '../schemas/model.js';
import { taskView } from '../schemas/tasks.js';

const tag = 'Models';

const One = z.strictObject({ id: z.string().min(1).max(200) });

export function modelRoutes(app: OpenAPIHono, parts: ServerParts): void {
  const { models, engine, queue, guard } = parts;

  /** @throws HttpError if a job needs the engine as it is */
  const expectIdle = (id: string) => {
    const { busyWith } = queue;
    if (busyWith)
      throw wrongState(`${id}: ${busyWith.id} is being made; wait for it, or cancel it`);
  };

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
      const health: Health = {
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

  route(
    app,
    { method: 'get', path: '/v1/models', tag, summary: 'The pipelines', answer: listOf(ModelView) },
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
      if (engine.opened !== model.folder) {
        expectIdle(model.id);
        await engine.call('open', { open: models.openOf(model.id, []) });
      }
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
      expectIdle(model.id);
      // it may also be on its way to be opened
      if (engine.opened === model.folder || engine.opened === null) await engine.stop();
      return c.json(models.view(model, engine));
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/loras',
      tag,
      summary:
        "LoRAs that requests may name, those in the server's folder among them; the newest first",
      answer: listOf(LoraView),
    },
    async (c) => c.json({ object: 'list' as const, data: await parts.loras.all() }),
  );

  const tasks = listOf(TaskView).extend({ model: z.string() });
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
