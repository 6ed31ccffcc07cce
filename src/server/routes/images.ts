/** Pictures as OpenAI's clients ask for them: answered when they are made, or streamed while they are. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import sharp from 'sharp';
import { seedAfter } from '../../seed.js';
import type { Preview } from '../engine/messages.js';
import { badRequest, bodyOf } from '../errors.js';
import { type FieldRules, withFields } from '../http/form-fields.js';
import { expectBody, route } from '../http/route.js';
import { eventStream, eventText } from '../http/sse.js';
import { createJob } from '../jobs/create.js';
import type { ServerEvent } from '../jobs/events.js';
import { JobInputs } from '../jobs/inputs.js';
import { type JobRecord, qualityOf } from '../jobs/job.js';
import { each } from '../jobs/library-options.js';
import { whenEnded } from '../jobs/wait.js';
import type { ServerParts } from '../parts.js';
import {
  ImageEdit,
  ImageEditForm,
  ImageGeneration,
  type ImageRequest,
  Images,
  type ImageUsage,
} from '../schemas/images.js';
import { fileOf, isMedia } from '../schemas/media.js';
import type { VideoRequest } from '../schemas/request.js';
import { endOf } from './videos.js';

const tag = 'Images';

export function imageRoutes(app: OpenAPIHono, parts: ServerParts): void {
  route(
    app,
    {
      method: 'post',
      path: '/v1/images/generations',
      tag,
      summary: 'Makes pictures from a prompt',
      body: { schema: ImageGeneration },
      answer: Images,
      streams: true,
    },
    async (c) => {
      return make(c, parts, { files: [], lists: [] }, (fields) => ({
        request: expectBody(ImageGeneration, fields),
        kind: 'image_generation',
      }));
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/images/edits',
      tag,
      summary: 'Fills the transparent part of a mask, or changes a picture as the prompt says',
      body: { schema: ImageEdit, form: ImageEditForm },
      answer: Images,
      streams: true,
    },
    async (c) => {
      const rules = {
        files: ['inputs', 'mask', 'reference', 'depth'],
        lists: ['inputs'],
        rename: { image: 'inputs', images: 'inputs' },
      };
      return make(c, parts, rules, (fields) => ({
        request: expectBody(ImageEdit, fields),
        kind: 'image_edit',
      }));
    },
  );
}

/** What is asked for, at one of the two addresses. */
interface Asked {
  request: ImageRequest;
  kind: 'image_generation' | 'image_edit';
}

async function make(
  c: Context,
  parts: ServerParts,
  rules: FieldRules,
  read: (fields: unknown) => Asked,
): Promise<Response> {
  const found = await withFields(c, parts.body, parts.files, rules, async ({ fields }) => {
    const asked = read(fields);
    return { ...asked, jobs: await create(parts, asked) };
  });
  const { request, kind, jobs } = found;
  if (request.stream) return streamed(parts, jobs[0]!, kind, request.partial_images ?? 0);
  await Promise.all(jobs.map((job) => whenEnded(parts, job, c.req.raw.signal)));
  const data: z.infer<typeof Images>['data'] = [];
  for (const job of jobs) {
    if (job.status !== 'completed') throw endOf(job);
    const { origin } = new URL(c.req.url);
    const picture =
      request.response_format === 'url'
        ? { url: `${origin}/v1/videos/${job.id}/content` }
        : { b64_json: await base64Of(parts, job) };
    data.push({ ...picture, video_id: job.id, seed: job.seed });
  }
  const answer: z.infer<typeof Images> = {
    ...factsOf(jobs[0]!),
    created: Math.floor(Date.now() / 1000),
    usage: usageOf(jobs),
    data,
  };
  return c.json(answer);
}

/** The jobs of n pictures, all of them or none. */
async function create(parts: ServerParts, { request, kind }: Asked): Promise<JobRecord[]> {
  const { background, stream, partial_images: partial } = request;
  const n = request.n ?? 1;
  if (background === 'transparent')
    throw badRequest('background: pictures are opaque here; leave it out', 'background');
  if (stream && n > 1) throw badRequest('n: one picture is streamed at a time; leave it out', 'n');
  const jobs: JobRecord[] = [];
  const inputs = new JobInputs(parts.create, parts.create.incoming);
  try {
    const asked = jobRequest(parts, await uploaded(request, inputs), kind);
    for (let i = 0; i < n; i++) {
      const first = jobs[0];
      const seed = first ? String(seedAfter(BigInt(first.seed), i)) : asked.seed;
      const watched = Boolean(stream && partial);
      jobs.push(await createJob(parts.create, { ...asked, seed }, { watched }));
    }
    return jobs;
  } catch (error) {
    for (const job of jobs) await parts.queue.cancel(job.id).catch(() => {});
    await inputs.forget();
    throw error;
  }
}

/** The request with what all of its pictures share as uploads: its inputs, and a mask as jobs take one. */
async function uploaded(request: ImageRequest, inputs: JobInputs): Promise<ImageRequest> {
  const { inputs: given, mask } = request;
  const kept = { ...request };
  if (given) kept.inputs = await each(given, (one) => inputs.kept(one, 'inputs'));
  if (mask !== undefined && isMedia(mask)) kept.mask = await inputs.whiteMask(mask, 'mask');
  return kept;
}

function jobRequest(
  { files, models }: ServerParts,
  request: ImageRequest,
  kind: Asked['kind'],
): VideoRequest {
  const { n, size, response_format, stream, partial_images, ...some } = request;
  const { background, quality, style, moderation, user, image, images, input_fidelity, ...others } =
    some;
  const { model, output_format: format, output_compression: compression, ...rest } = others;
  const asked: VideoRequest = { ...rest };
  if (model != null) asked.model = model;
  if (format) asked.output_format = format;
  if (compression != null) asked.output_compression = compression;
  if (size && size !== 'auto') asked.size = size;
  if (asked.task === undefined) {
    if (kind === 'image_generation') asked.task = 't2i';
    else if (asked.expand !== undefined) asked.task = 'ioutp';
    else if (asked.mask !== undefined) asked.task = 'iinp';
    else {
      const [first] = asked.inputs ?? [];
      const id = first && fileOf(first);
      const transparent = id !== undefined && files.shelf.get(id)?.alpha === true;
      asked.task = transparent ? 'iinp' : 'iedit';
      if (transparent) asked.mask = { alpha: true };
    }
  }
  const task = models.task(models.get(asked.model), asked.task);
  if (task.placed) asked.num_frames = 1;
  else if (task.result !== 'image') {
    throw badRequest(`task: ${task.id} makes a clip; ask for it at /v1/videos`, 'task');
  }
  return asked;
}

const OUTPUT: Record<string, 'png' | 'jpeg' | 'webp'> = { png: 'png', jpg: 'jpeg', webp: 'webp' };

const factsOf = ({ file, shape }: JobRecord) => ({
  background: 'opaque' as const,
  output_format: OUTPUT[file.slice(file.lastIndexOf('.') + 1)]!,
  quality: 'auto' as const,
  size: `${shape.width}x${shape.height}`,
});

/** What goes in is counted once, though each picture is made from it. */
function usageOf(jobs: readonly JobRecord[]): z.infer<typeof ImageUsage> {
  const tokens = jobs.map((job) => job.tokens!);
  const { prompt, given } = tokens[0]!;
  const output = tokens.reduce((sum, { result }) => sum + result, 0);
  return {
    input_tokens: prompt + given,
    input_tokens_details: { text_tokens: prompt, image_tokens: given },
    output_tokens: output,
    total_tokens: prompt + given + output,
  };
}

const base64Of = async ({ jobs }: ServerParts, job: JobRecord): Promise<string> =>
  readFile(join(jobs.folderOf(job.id), job.file), 'base64');

/** Rough pictures at even distances, then the picture. */
function streamed(parts: ServerParts, job: JobRecord, kind: string, partial: number): Response {
  const away = new AbortController();
  return eventStream(
    ({ send, close }) => {
      let sent = 0;
      let writing: Promise<void> = Promise.resolve();
      const say = (type: string, more: object) => {
        const data = { type, ...factsOf(job), created_at: Math.floor(Date.now() / 1000), ...more };
        send(eventText({ name: type, data }));
      };
      const stop = parts.events.listen(({ name, about }: ServerEvent) => {
        const preview =
          about === job.id && name === 'preview' && parts.queue.liveOf(job.id)?.preview;
        if (
          !preview ||
          preview.step / preview.steps < (sent + 1) / (partial + 1) ||
          sent >= partial
        )
          return;
        const partial_image_index = sent++;
        writing = writing.then(async () => {
          const b64_json = await enlarged(preview, job);
          say(`${kind}.partial_image`, { b64_json, partial_image_index });
        });
        // whoever waits for it at the end hears of a failure
        writing.catch(() => {});
      });
      const finish = async () => {
        try {
          await whenEnded(parts, job, away.signal);
          await writing;
          if (job.status !== 'completed') throw endOf(job);
          say(`${kind}.completed`, {
            b64_json: await base64Of(parts, job),
            usage: usageOf([job]),
            video_id: job.id,
            seed: job.seed,
          });
        } catch (error) {
          send(eventText({ name: 'error', data: { type: 'error', error: bodyOf(error) } }));
        }
        close();
      };
      void finish();
      return () => {
        stop();
        away.abort();
      };
    },
    { retry: false },
  );
}

/** A preview at the picture's size, in its format. */
async function enlarged({ webp }: Preview, job: JobRecord): Promise<string> {
  const { width, height } = job.shape;
  const picture = sharp(webp).resize(width, height, { fit: 'fill', kernel: 'cubic' });
  const encoded = picture.toFormat(factsOf(job).output_format, { quality: qualityOf(job.request) });
  return (await encoded.toBuffer()).toString('base64');
}
