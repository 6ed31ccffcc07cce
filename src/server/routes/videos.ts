/** Jobs: made of requests, listed, looked at, cancelled, removed. */
import { join } from 'node:path';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { ToldError, wrongState } from '../errors.js';
import { answerFile } from '../http/answer-file.js';
import { type FieldRules, readFields } from '../http/form-fields.js';
import { expectBody, queryNumber, route } from '../http/route.js';
import { contentTypeOf, JOB_STATES, type JobRecord, VideoJob } from '../jobs/job.js';
import { Submissions } from '../jobs/submit.js';
import { whenEnded } from '../jobs/wait.js';
import type { ServerParts } from '../parts.js';
import { page, pageOf } from '../schemas/list.js';
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
  const read = (c: Context) => readFields(c, parts.body, files, MEDIA_FIELDS);
  const body = { schema: VideoBody, form: VideoForm };

  const submit = async (
    c: Context,
    asked: VideoRequest,
    identity: unknown,
    remixedFrom?: string,
  ) => {
    const key = c.req.header('idempotency-key');
    const job = await submissions.submit(asked, {
      key,
      identity: [c.req.path, identity],
      remixedFrom,
    });
    return c.json(queue.view(job));
  };

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
      const { fields, identity } = await read(c);
      return submit(c, merged(expectBody(VideoBody, fields)), identity);
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/videos/sync',
      tag,
      summary: 'The same, answered with the result itself',
      body,
      answer: { types: ['video/mp4', 'image/png', 'application/octet-stream'] },
    },
    async (c) => {
      const { fields } = await read(c);
      const job = await submissions.submit(merged(expectBody(VideoBody, fields)), {
        identity: null,
      });
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
        const { fields, identity } = await read(c);
        const { video, ...rest } = expectBody(Edited, fields);
        const source =
          typeof video === 'object' && 'id' in video
            ? { video_id: expectBody(VideoId, video.id) }
            : video;
        return submit(c, { task, ...merged(rest), inputs: [source] }, identity);
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
      const { fields, identity } = await read(c);
      return submit(
        c,
        { ...request, ...merged(expectBody(VideoBody, fields)) },
        identity,
        params.id,
      );
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

/** The error that a job ended with. */
export function endOf(job: JobRecord): Error {
  if (job.error) return new ToldError(job.error);
  return wrongState(`${job.id}: was cancelled`);
}
