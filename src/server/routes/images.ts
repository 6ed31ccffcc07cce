/** Pictures as OpenAI's clients ask for them: answered when they are made, or streamed while they are. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import sharp from 'sharp';
import { seedAfter } from '../../seed.js';
import type { Preview } from '../engine/messages.js';
import { badRequest, bodyOf } from '../errors.js';
import { readFields } from '../http/form-fields.js';
import { expectBody, route } from '../http/route.js';
import { eventStream, eventText } from '../http/sse.js';
import { createJob } from '../jobs/create.js';
import type { ServerEvent } from '../jobs/events.js';
import type { JobRecord } from '../jobs/job.js';
import { whenEnded } from '../jobs/wait.js';
import type { ServerParts } from '../parts.js';
import { Media } from '../schemas/media.js';
import { fields, SizeText, type VideoRequest } from '../schemas/request.js';
import { endOf } from './videos.js';

const tag = 'Images';

/** Fields of clips, which pictures do not have. */
const OF_CLIPS = { num_frames: true, seconds: true, fps: true, window: true } as const;

const ImageFields = z
  .strictObject(fields)
  .partial()
  .omit(OF_CLIPS)
  .extend({
    n: z.int().min(1).max(10).optional().describe('number of pictures; seeds follow one another'),
    size: z.union([z.literal('auto'), SizeText]).optional(),
    response_format: z.enum(['b64_json', 'url']).optional(),
    output_format: z.enum(['png', 'jpeg', 'webp']).optional(),
    output_compression: z
      .int()
      .min(0)
      .max(100)
      .optional()
      .describe('accepted; files have quality 95'),
    stream: z.boolean().nullable().optional().describe('send server-sent events'),
    partial_images: z
      .int()
      .min(0)
      .max(3)
      .nullable()
      .optional()
      .describe('rough pictures in the stream'),
    background: z
      .enum(['auto', 'opaque', 'transparent'])
      .nullable()
      .optional()
      .describe('transparent is refused'),
    quality: z.string().max(20).optional().describe('accepted; `num_inference_steps` decides'),
    style: z.string().max(20).optional().describe('accepted, without effect'),
    moderation: z.string().max(20).optional().describe('accepted, without effect'),
    user: z.string().max(200).optional().describe('accepted, without effect'),
  });

const Generation = ImageFields.extend({ prompt: fields.prompt.min(1) }).openapi('ImageRequest');
const Edit = ImageFields.extend({
  images: z.array(Media).max(2).optional().describe('the same as `inputs`'),
  input_fidelity: z
    .string()
    .max(20)
    .nullable()
    .optional()
    .describe('accepted; `keep_known` decides'),
}).openapi('ImageEditRequest');
type ImageRequest = z.infer<typeof Edit>;

const binary = z.string().openapi({ format: 'binary' });
const EditForm = Edit.extend({ image: binary, mask: binary.optional() }).openapi('ImageEditForm');

const Images = z
  .object({
    created: z.int(),
    background: z.literal('opaque'),
    output_format: z.enum(['png', 'jpeg', 'webp']),
    quality: z.literal('auto'),
    size: z.string(),
    data: z.array(
      z.object({
        b64_json: z.string().optional(),
        url: z.string().optional(),
        video_id: z.string().describe('the job that made it'),
        seed: z.string(),
      }),
    ),
  })
  .openapi('Images');

export function imageRoutes(app: OpenAPIHono, parts: ServerParts): void {
  route(
    app,
    {
      method: 'post',
      path: '/v1/images/generations',
      tag,
      summary: 'Makes pictures from a prompt',
      body: { schema: Generation },
      answer: Images,
    },
    async (c) => {
      const { fields: given } = await readFields(c, parts.body, parts.files, {
        files: [],
        lists: [],
      });
      return make(c, parts, expectBody(Generation, given), 'image_generation');
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/images/edits',
      tag,
      summary: 'Fills the transparent part of a mask, or changes a picture as the prompt says',
      body: { schema: Edit, form: EditForm },
      answer: Images,
    },
    async (c) => {
      const rules = {
        files: ['inputs', 'mask', 'reference', 'depth'],
        lists: ['inputs'],
        rename: { image: 'inputs', images: 'inputs' },
      };
      const { fields: given } = await readFields(c, parts.body, parts.files, rules);
      return make(c, parts, expectBody(Edit, given), 'image_edit');
    },
  );
}

async function make(
  c: Context,
  parts: ServerParts,
  request: ImageRequest,
  kind: 'image_generation' | 'image_edit',
): Promise<Response> {
  if (request.background === 'transparent') {
    throw badRequest('background: pictures are opaque here; leave it out', 'background');
  }
  const { n = 1, stream, partial_images: partial, response_format: format = 'b64_json' } = request;
  if (stream && n > 1) throw badRequest('n: one picture is streamed at a time; leave it out', 'n');
  const watched = Boolean(stream && partial);
  const jobs = await create(parts, jobRequest(parts, request, kind), { n, watched });
  if (stream) return streamed(parts, jobs[0]!, kind, partial ?? 0);
  await Promise.all(jobs.map((job) => whenEnded(parts, job, c.req.raw.signal)));
  const data: z.infer<typeof Images>['data'] = [];
  for (const job of jobs) {
    if (job.status !== 'completed') throw endOf(job);
    const { origin } = new URL(c.req.url);
    const picture =
      format === 'url'
        ? { url: `${origin}/v1/videos/${job.id}/content` }
        : { b64_json: await base64Of(parts, job) };
    data.push({ ...picture, video_id: job.id, seed: job.seed });
  }
  const answer: z.infer<typeof Images> = {
    ...factsOf(jobs[0]!),
    created: Math.floor(Date.now() / 1000),
    data,
  };
  return c.json(answer);
}

/** The jobs of n pictures, all of them or none. */
async function create(
  { create, queue }: ServerParts,
  request: VideoRequest,
  { n, watched }: { n: number; watched: boolean },
): Promise<JobRecord[]> {
  const jobs: JobRecord[] = [];
  const options = { transparentMask: request.mask !== undefined, watched };
  try {
    for (let i = 0; i < n; i++) {
      const first = jobs[0];
      const seed = first ? String(seedAfter(BigInt(first.seed), i)) : request.seed;
      jobs.push(await createJob(create, { ...request, seed }, options));
    }
    return jobs;
  } catch (error) {
    for (const job of jobs) await queue.cancel(job.id).catch(() => {});
    throw error;
  }
}

function jobRequest(
  { files, models }: ServerParts,
  request: ImageRequest,
  kind: 'image_generation' | 'image_edit',
): VideoRequest {
  const { n, size, response_format, output_compression, stream, partial_images, ...some } = request;
  const { background, quality, style, moderation, user, images, input_fidelity, ...rest } = some;
  const inputs = rest.inputs ?? images;
  const asked: VideoRequest = { ...rest, ...(inputs ? { inputs } : {}) };
  if (size !== undefined && size !== 'auto') asked.size = size;
  if (asked.task === undefined) {
    if (kind === 'image_generation') asked.task = 't2i';
    else if (asked.expand !== undefined) asked.task = 'ioutp';
    else if (asked.mask !== undefined) asked.task = 'iinp';
    else {
      const [first] = inputs ?? [];
      const transparent = typeof first === 'string' && files.shelf.get(first)?.alpha === true;
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
      });
      const finish = async () => {
        try {
          await whenEnded(parts, job, away.signal);
          await writing;
          if (job.status !== 'completed') throw endOf(job);
          say(`${kind}.completed`, {
            b64_json: await base64Of(parts, job),
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
  return (await picture.toFormat(factsOf(job).output_format).toBuffer()).toString('base64');
}
