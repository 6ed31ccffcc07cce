/** Fine-tuning jobs. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { checkpointsIn } from '../../train/run/checkpoint-names.js';
import { readJson } from '../http/body.js';
import { page } from '../http/page.js';
import { expectBody, queryNumber, route } from '../http/route.js';
import { eventStream, eventText } from '../http/sse.js';
import type { ServerParts } from '../parts.js';
import { listOf, pageOf } from '../schemas/list.js';
import { DataFolder, FineTuningId, FineTuningLine, TrainingView } from '../schemas/training.js';
import { dataFolders } from '../training/data.js';
import { lineView } from '../training/lines.js';
import { FineTuning } from '../training/recipe.js';

const tag = 'Fine-tuning';
const base = '/v1/fine_tuning/jobs';
const One = z.strictObject({ id: FineTuningId });
const Listing = z.strictObject({
  limit: queryNumber(1, 100).optional(),
  after: z.string().max(40).optional(),
});
const EventListing = Listing.extend({
  limit: queryNumber(1, 1000).optional(),
  stream: z
    .enum(['true', 'false'])
    .optional()
    .describe('as server-sent events, also those to come'),
});

const Checkpoint = z
  .object({
    id: z.string(),
    object: z.literal('fine_tuning.job.checkpoint'),
    created_at: z.int(),
    fine_tuning_job_id: z.string(),
    part: z.string(),
    step_number: z.int(),
  })
  .openapi('FineTuningCheckpoint');

const Deleted = z.object({
  id: z.string(),
  object: z.literal('fine_tuning.job.deleted'),
  deleted: z.literal(true),
});

const ENDS = ['succeeded', 'failed', 'cancelled'];

export function trainingRoutes(app: OpenAPIHono, parts: ServerParts): void {
  const { training, events } = parts;
  const { shelf, dataRoot } = training.parts;

  route(
    app,
    {
      method: 'post',
      path: base,
      tag,
      summary: 'Trains a pipeline on your pictures and clips',
      body: { schema: FineTuning },
      answer: TrainingView,
    },
    async (c) => {
      const asked = expectBody(FineTuning, await readJson(c, parts.body));
      return c.json(training.view(await training.create(asked)));
    },
  );

  route(
    app,
    {
      method: 'get',
      path: base,
      tag,
      summary: 'Fine-tuning jobs, the newest first',
      query: Listing,
      answer: pageOf(TrainingView),
    },
    (c, { query }) => c.json(page(shelf.all(), query, (job) => training.view(job))),
  );

  route(
    app,
    {
      method: 'get',
      path: `${base}/{id}`,
      tag,
      summary: 'A fine-tuning job',
      params: One,
      answer: TrainingView,
    },
    (c, { params }) => c.json(training.view(training.get(params.id))),
  );

  for (const [action, summary] of [
    ['pause', 'Stops it with a checkpoint'],
    ['resume', 'Goes on from its last checkpoint'],
    ['cancel', 'Stops it for good; answers once it has stopped'],
  ] as const) {
    route(
      app,
      {
        method: 'post',
        path: `${base}/{id}/${action}`,
        tag,
        summary,
        params: One,
        answer: TrainingView,
      },
      async (c, { params }) => c.json(training.view(await training[action](params.id))),
    );
  }

  route(
    app,
    {
      method: 'delete',
      path: `${base}/{id}`,
      tag,
      summary: 'Stops it, and removes it with its run',
      params: One,
      answer: Deleted,
    },
    async (c, { params }) => {
      await training.remove(params.id);
      return c.json({
        id: params.id,
        object: 'fine_tuning.job.deleted' as const,
        deleted: true as const,
      });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: `${base}/{id}/events`,
      tag,
      summary: 'What happened in it, the newest first; or all of it as a stream, in order',
      params: One,
      query: EventListing,
      answer: pageOf(FineTuningLine),
      streams: true,
    },
    (c, { params, query }) => {
      const job = training.get(params.id);
      const lines = training.lines(job.id);
      const asStream = query.stream === 'true' || c.req.header('accept') === 'text/event-stream';
      if (!asStream) return c.json(page([...lines].reverse(), query, lineView));
      return eventStream(({ send, close }) => {
        const tell = (line: FineTuningLine) =>
          send(eventText({ id: line.id, name: line.type, data: line }));
        const status = () => send(eventText({ name: 'status', data: training.view(job) }));
        status();
        for (const line of lines) tell(lineView(line));
        if (ENDS.includes(job.status)) {
          close();
          return () => {};
        }
        return events.listen(({ about, data }) => {
          if (about !== job.id) return;
          if (data.type === 'fine_tuning_event') tell(data.event);
          if (data.type !== 'fine_tuning') return;
          status();
          if (ENDS.includes(job.status)) close();
        });
      });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: `${base}/{id}/checkpoints`,
      tag,
      summary: 'Its checkpoints, the newest first',
      params: One,
      query: Listing,
      answer: pageOf(Checkpoint),
    },
    async (c, { params, query }) => {
      const job = training.get(params.id);
      const folder = join(training.runFolder(job), 'checkpoints');
      const found = checkpointsIn(folder).flatMap(({ name, part, step }) => {
        const stats = statSync(join(folder, name), { throwIfNoEntry: false });
        return stats ? [{ id: `${job.id}:${name}`, part, step, ms: stats.mtimeMs }] : [];
      });
      found.sort((a, b) => b.ms - a.ms);
      return c.json(
        page(found, query, ({ id, part, step, ms }) => ({
          id,
          object: 'fine_tuning.job.checkpoint' as const,
          created_at: Math.floor(ms / 1000),
          fine_tuning_job_id: job.id,
          part,
          step_number: step,
        })),
      );
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/data',
      tag,
      summary: 'Folders of data that jobs may name',
      answer: listOf(DataFolder),
    },
    async (c) => c.json({ object: 'list' as const, data: await dataFolders(dataRoot) }),
  );
}
