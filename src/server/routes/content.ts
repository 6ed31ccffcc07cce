/** What a job has made, whole or as small pictures. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { wrongState } from '../errors.js';
import { answerFile } from '../http/answer-file.js';
import { route } from '../http/route.js';
import {
  contentTypeOf,
  hasEnded,
  type JobRecord,
  RESULT_TYPES,
  sheetOf,
  thumbnailOf,
} from '../jobs/job.js';
import { SETTINGS } from '../jobs/queue.js';
import type { ServerParts } from '../parts.js';
import { VideoId } from '../schemas/media.js';

const tag = 'Videos';
const One = z.strictObject({ id: VideoId });
const VARIANTS = ['video', 'thumbnail', 'spritesheet', 'settings', 'preview'] as const;
const Content = z.strictObject({ variant: z.enum(VARIANTS).optional() });

export function contentRoutes(app: OpenAPIHono, parts: ServerParts): void {
  const { queue, jobs } = parts;

  route(
    app,
    {
      method: 'get',
      path: '/v1/videos/{id}/content',
      tag,
      summary: 'The result, a small picture of it, a sheet of its frames, or its settings',
      params: One,
      query: Content,
      answer: { types: [...RESULT_TYPES, 'application/json'] },
      ranges: true,
    },
    async (c, { params, query }) => {
      const job = queue.job(params.id);
      const folder = jobs.folderOf(job.id);
      if (query.variant === 'preview') {
        const preview = queue.liveOf(job.id)?.preview;
        if (preview) {
          return new Response(new Uint8Array(preview.webp), {
            headers: { 'content-type': 'image/webp', 'cache-control': 'no-store' },
          });
        }
        if (!hasEnded(job)) throw wrongState(`${job.id}: has no preview yet; wait for it`);
      }
      if (job.status !== 'completed') {
        const remedy = hasEnded(job)
          ? `ask for it again with POST /v1/videos/${job.id}/remix`
          : 'wait until it is completed';
        throw wrongState(`${job.id}: is ${job.status}, so it has no result; ${remedy}`);
      }
      if (query.variant === 'preview') {
        throw wrongState(
          `${job.id}: is completed, so it has no preview; leave out \`variant\` for its result`,
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
      const drawn = { path: join(folder, job.file), sheet: layout, to };
      await parts.checker.call('sheet', drawn).catch((error: unknown) => {
        queue.job(job.id); // it may have been removed meanwhile
        throw error;
      });
      return to;
    })().finally(() => drawing.delete(to));
    drawing.set(to, mine);
    return mine;
  };
}
