/** Jobs: made of requests, listed, looked at, cancelled, removed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { ToldError, wrongState } from '../errors.js';
import { answerFile } from '../http/answer-file.js';
import { type FieldRules, readFields } from '../http/form-fields.js';
import { expectBody, queryNumber, route } from '../http/route.js';
import { planRequest } from '../jobs/create.js';
import {
  contentTypeOf,
  JOB_STATES,
  type JobRecord,
  sheetOf,
  thumbnailOf,
  VideoJob,
} from '../jobs/job.js';
import { SETTINGS } from '../jobs/queue.js';
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
const VideoForm = z
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

const VARIANTS = ['video', 'thumbnail', 'spritesheet', 'settings', 'preview'] as const;
const Content = z.strictObject({ variant: z.enum(VARIANTS).optional() });

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
      method: 'post',
      path: '/v1/plan',
      tag,
      summary: 'The cost of a request, or why it is refused; nothing is queued',
      body,
      answer: Plan,
    },
    async (c) => {
      const { fields } = await read(c);
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

  route(
    app,
    {
      method: 'get',
      path: '/v1/videos/{id}/content',
      tag,
      summary: 'The result, a small picture of it, a sheet of its frames, or its settings',
      params: One,
      query: Content,
      answer: {
        types: [
          'video/mp4',
          'video/webm',
          'image/gif',
          'image/png',
          'image/jpeg',
          'image/webp',
          'application/json',
        ],
      },
    },
    async (c, { params, query }) => {
      const job = queue.job(params.id);
      const folder = jobs.folderOf(job.id);
      if (query.variant === 'preview') {
        const preview = queue.liveOf(job.id)?.preview;
        if (!preview)
          throw wrongState(`${job.id}: has no preview now; it has one while it is in progress`);
        return new Response(new Uint8Array(preview.webp), {
          headers: { 'content-type': 'image/webp', 'cache-control': 'no-store' },
        });
      }
      if (job.status !== 'completed') {
        throw wrongState(
          `${job.id}: is ${job.status}, so it has no result; wait until it is completed`,
        );
      }
      if (query.variant === 'settings') {
        return answerFile(c, join(folder, SETTINGS), { type: 'application/json' });
      }
      if (query.variant === 'thumbnail' || query.variant === 'spritesheet') {
        return answerFile(c, await sheet(job, query.variant), {
          type: 'image/webp',
          cacheControl: 'private, max-age=86400',
        });
      }
      return answerFile(c, join(folder, job.file), {
        type: contentTypeOf(job.file),
        filename: `${job.id}${job.file.slice(job.file.lastIndexOf('.'))}`,
      });
    },
  );

  /** Sheets are drawn when they are first asked for. */
  const drawing = new Map<string, Promise<string>>();
  const sheet = (job: JobRecord, variant: 'thumbnail' | 'spritesheet'): Promise<string> => {
    const folder = jobs.folderOf(job.id);
    const to = join(folder, `${variant}.webp`);
    const begun = drawing.get(to);
    if (begun) return begun;
    const mine = (async () => {
      if (existsSync(to)) return to;
      const layout = variant === 'thumbnail' ? thumbnailOf(job) : sheetOf(job);
      await parts.checker.call('sheet', { path: join(folder, job.file), sheet: layout, to });
      return to;
    })().finally(() => drawing.delete(to));
    drawing.set(to, mine);
    return mine;
  };
}

/** The error that a job ended with. */
export function endOf(job: JobRecord): Error {
  if (job.error) return new ToldError(job.error);
  return wrongState(`${job.id}: was cancelled`);
}
