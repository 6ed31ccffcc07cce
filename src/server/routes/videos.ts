/** Jobs: made of requests, listed, looked at, cancelled, removed. */
import { join } from 'node:path';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { ToldError, wrongState } from '../errors.js';
import { answerFile } from '../http/answer-file.js';
import { type FieldRules, withFields } from '../http/form-fields.js';
import { page } from '../http/page.js';
import { expectBody, queryNumber, route } from '../http/route.js';
import { contentTypeOf, type JobRecord, RESULT_TYPES } from '../jobs/job.js';
import { Submissions } from '../jobs/submit.js';
import { whenEnded } from '../jobs/wait.js';
import type { ServerParts } from '../parts.js';
import { JOB_STATES, VideoJob } from '../schemas/job.js';
import { pageOf } from '../schemas/list.js';
import { VideoId } from '../schemas/media.js';
import {
  merged,
  SourceVideo,
  VideoBody,
  VideoFields,
  type VideoRequest,
} from '../schemas/request.js';

const tag = 'Videos';

/** What may come as a file of a form. */
export const MEDIA_FIELDS: FieldRules = {
  files: ['input_reference', 'inputs', 'mask', 'depth', 'depth_from', 'reference', 'video'],
  lists: ['inputs'],
};

const binary = z.string().openapi({ format: 'binary' });
export const VideoForm = z
  .object({ ...VideoBody.shape, input_reference: binary.optional(), mask: binary.optional() })
  .openapi('VideoForm');

const One = z.strictObject({ id: VideoId });
const IdempotencyHeader = z.object({ 'Idempotency-Key': z.string().min(1).max(200).optional() });

const Listing = z.strictObject({
  limit: queryNumber(1, 100).optional(),
  after: z.string().max(40).optional(),
  order: z.enum(['asc', 'desc']).optional(),
  status: z.enum(JOB_STATES).optional(),
  task: z.string().max(40).optional(),
  result: z.enum(['image', 'video']).optional(),
});

const Deleted = z.object({
  id: z.string(),
  object: z.literal('video.deleted'),
  deleted: z.literal(true),
});

export function videoRoutes(app: OpenAPIHono, parts: ServerParts): void {
  const { queue, jobs, files, create } = parts;
  const submissions = new Submissions(create);
  const body = { schema: VideoBody, form: VideoForm };

  /** @param asked  makes the request of the body's fields */
  const submit = (
    c: Context,
    asked: (fields: unknown) => VideoRequest,
    { key, remixedFrom }: { key?: string; remixedFrom?: string } = {},
  ) =>
    withFields(c, parts.body, files, MEDIA_FIELDS, ({ fields, identity }) =>
      submissions.submit(asked(fields), { key, identity: [c.req.path, identity], remixedFrom }),
    );
  const keyOf = (c: Context) => c.req.header('idempotency-key');

  route(
    app,
    {
      method: 'post',
      path: '/v1/videos',
      tag,
      summary: 'Asks for a clip or a picture: any task',
      headers: IdempotencyHeader,
      body,
      answer: VideoJob,
    },
    async (c) => {
      const asked = (fields: unknown) => merged(expectBody(VideoBody, fields));
      return c.json(queue.view(await submit(c, asked, { key: keyOf(c) })));
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/videos/sync',
      tag,
      summary: 'The same, answered with the result itself',
      headers: IdempotencyHeader,
      body,
      answer: { types: RESULT_TYPES },
    },
    async (c) => {
      const asked = (fields: unknown) => merged(expectBody(VideoBody, fields));
      const job = await submit(c, asked, { key: keyOf(c) });
      await whenEnded(parts, job, c.req.raw.signal);
      if (job.status !== 'completed') throw endOf(job);
      return answerFile(c, join(jobs.folderOf(job.id), job.file), {
        type: contentTypeOf(job.file),
        headers: { 'x-video-id': job.id },
      });
    },
  );

  for (const [path, task, summary] of [
    ['/v1/videos/edits', 'vedit', 'Changes a clip as the prompt says'],
    ['/v1/videos/extensions', 'vexd', 'Continues a clip'],
  ] as const) {
    const Edited = VideoFields.extend({ video: SourceVideo }).openapi(
      task === 'vedit' ? 'VideoEdit' : 'VideoExtension',
    );
    route(
      app,
      {
        method: 'post',
        path,
        tag,
        summary,
        headers: IdempotencyHeader,
        body: { schema: Edited, form: VideoForm },
        answer: VideoJob,
      },
      async (c) => {
        const asked = (fields: unknown) => {
          const { video, ...rest } = expectBody(Edited, fields);
          const source =
            typeof video === 'object' && 'id' in video
              ? { video_id: expectBody(VideoId, video.id) }
              : video;
          return { task, ...merged(rest), inputs: [source] };
        };
        return c.json(queue.view(await submit(c, asked, { key: keyOf(c) })));
      },
    );
  }

  route(
    app,
    {
      method: 'post',
      path: '/v1/videos/{id}/remix',
      tag,
      summary: 'The same request again, with some fields changed; a seed of null is a random one',
      params: One,
      headers: IdempotencyHeader,
      body: { schema: VideoBody, required: false },
      answer: VideoJob,
    },
    async (c, { params }) => {
      const { request } = queue.job(params.id);
      const asked = (fields: unknown) => remixed(request, merged(expectBody(VideoBody, fields)));
      const job = await submit(c, asked, { key: keyOf(c), remixedFrom: params.id });
      return c.json(queue.view(job));
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/videos',
      tag,
      summary: 'Jobs, the newest first',
      query: Listing,
      answer: pageOf(VideoJob),
    },
    (c, { query }) => {
      const { status, task, result } = query;
      const chosen = jobs
        .all()
        .filter(
          (job) =>
            (status === undefined || job.status === status) &&
            (task === undefined || job.task === task) &&
            (result === undefined || job.result === result),
        );
      return c.json(page(chosen, query, (job) => queue.view(job)));
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/videos/{id}',
      tag,
      summary: 'A job',
      params: One,
      answer: VideoJob,
    },
    (c, { params }) => c.json(queue.view(queue.job(params.id))),
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/videos/{id}/cancel',
      tag,
      summary: 'Cancels a job; answers once the engine has stopped',
      params: One,
      answer: VideoJob,
    },
    async (c, { params }) => c.json(queue.view(await queue.cancel(params.id))),
  );

  route(
    app,
    {
      method: 'delete',
      path: '/v1/videos/{id}',
      tag,
      summary: 'Cancels a job, and removes it with its files',
      params: One,
      answer: Deleted,
    },
    async (c, { params }) => {
      await queue.remove(params.id);
      return c.json({ id: params.id, object: 'video.deleted' as const, deleted: true as const });
    },
  );
}

/** A request with changes, which may say the same thing in another field. */
function remixed(request: VideoRequest, changes: VideoRequest): VideoRequest {
  const kept = { ...request };
  if (changes.num_frames !== undefined) delete kept.seconds;
  if (changes.seconds !== undefined) delete kept.num_frames;
  // the other inputs stay where they are
  if (changes.input_reference !== undefined) kept.inputs = kept.inputs?.slice(1);
  if (changes.expand !== undefined) delete kept.mask;
  if (changes.mask !== undefined) delete kept.expand;
  return { ...kept, ...changes };
}

/** The error that a job ended with. */
export function endOf(job: JobRecord): Error {
  if (job.error) return new ToldError(job.error);
  return wrongState(`${job.id}: was cancelled`);
}
