/** Server-sent events, of one job or of all. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { route } from '../http/route.js';
import { eventStream, eventText } from '../http/sse.js';
import type { ServerEvent } from '../jobs/events.js';
import { hasEnded, type JobRecord, previewView } from '../jobs/job.js';
import type { Queue } from '../jobs/queue.js';
import type { ServerParts } from '../parts.js';
import { EventData, JOB_ENDS, type JobEvent } from '../schemas/event.js';
import { VideoId } from '../schemas/media.js';

const tag = 'Events';
const STREAM = { types: ['text/event-stream'], schema: EventData };
const ENDS: readonly string[] = [...JOB_ENDS, 'deleted'];

const Query = z.strictObject({
  last_event_id: z
    .string()
    .max(100)
    .optional()
    .describe('as the header Last-Event-ID, which pages cannot send'),
});

export function eventRoutes(app: OpenAPIHono, { events, queue }: ServerParts): void {
  const lastOf = (c: Context, query: z.infer<typeof Query>) =>
    c.req.header('last-event-id') ?? query.last_event_id;

  route(
    app,
    {
      method: 'get',
      path: '/v1/events',
      tag,
      summary:
        'What happens to all jobs, from now on or after an event; `resync`: events were missed',
      query: Query,
      answer: STREAM,
    },
    (c, { query }) => {
      const last = lastOf(c, query);
      return eventStream(({ send }) => {
        const missed = last === undefined ? null : events.after(last);
        if (!missed) send(eventText({ id: events.last, name: 'resync', data: { type: 'resync' } }));
        for (const event of missed ?? []) send(eventText(event));
        return events.listen((event) => send(eventText(event)));
      });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/videos/{id}/events',
      tag,
      summary: 'What happens to a job, from its present state to its end',
      params: z.strictObject({ id: VideoId }),
      query: Query,
      answer: STREAM,
    },
    (c, { params, query }) => {
      const job = queue.job(params.id);
      const last = lastOf(c, query);
      return eventStream(({ send, close }) => {
        const isOwn = (event: ServerEvent) => event.about === job.id;
        const missed = last === undefined ? null : (events.after(last)?.filter(isOwn) ?? null);
        for (const event of missed ?? []) send(eventText(event));
        for (const data of missed ? [] : presentOf(queue, job)) {
          send(eventText({ id: events.last, name: data.type, data }));
        }
        // of a job that has ended, nothing else will be told
        if (hasEnded(job)) {
          close();
          return () => {};
        }
        return events.listen((event) => {
          if (!isOwn(event)) return;
          send(eventText(event));
          if (ENDS.includes(event.name)) close();
        });
      });
    },
  );
}

/** The present state of a job as the events that led to it. */
function presentOf(queue: Queue, job: JobRecord): EventData[] {
  const video = queue.view(job);
  const event = (type: JobEvent['type']): EventData => ({ type, video });
  if (job.status !== 'in_progress') return [event(job.status)];
  const began = [event('started'), event('progress')];
  const preview = queue.liveOf(job.id)?.preview;
  if (!preview) return began;
  return [...began, { type: 'preview', video, preview: previewView(preview) }];
}
