/** Uploads. */
import { readFile, rm } from 'node:fs/promises';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { badRequest } from '../errors.js';
import { answerFile } from '../http/answer-file.js';
import { discard, readBody } from '../http/body.js';
import { page } from '../http/page.js';
import { queryNumber, route } from '../http/route.js';
import type { ServerParts } from '../parts.js';
import { FileView } from '../schemas/file.js';
import { pageOf } from '../schemas/list.js';
import { FileId } from '../schemas/media.js';
import { FILE_TYPES, fileView } from '../store/files.js';
import { incomingPath } from '../store/folder.js';

const tag = 'Files';
const One = z.strictObject({ id: FileId });

const Form = z
  .strictObject({
    file: z.string().openapi({ format: 'binary' }),
    purpose: z.string().max(64).optional(),
  })
  .openapi('Upload');

const Listing = z.strictObject({
  limit: queryNumber(1, 1000).optional(),
  after: z.string().max(40).optional(),
  order: z.enum(['asc', 'desc']).optional(),
  purpose: z.string().max(64).optional(),
});

const Frame = z.strictObject({ frame: queryNumber(-1_000_000, 1_000_000).optional() });
const Deleted = z.object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) });

export function fileRoutes(app: OpenAPIHono, parts: ServerParts): void {
  const { files, checker } = parts;
  const { shelf } = files;

  route(
    app,
    {
      method: 'post',
      path: '/v1/files',
      tag,
      summary: 'Uploads a picture, a clip, depth, a LoRA or text; it is checked',
      body: { form: Form },
      answer: FileView,
    },
    async (c) => {
      const { fields, files: given } = await readBody(c, parts.body);
      try {
        const [first] = given;
        if (given.length !== 1 || first?.field !== 'file') {
          throw badRequest(
            'file: the form must have one file, in the part "file"; send it as multipart/form-data',
            'file',
          );
        }
        const { purpose = 'user_data', ...others } = fields;
        const [unknown] = Object.keys(others).filter((name) => name !== 'expires_after');
        if (unknown !== undefined)
          throw badRequest(`${unknown}: is no field of this request; leave it out`, unknown);
        if (typeof purpose !== 'string' || purpose.length > 64) {
          throw badRequest('purpose: must be text of at most 64 characters', 'purpose');
        }
        return c.json(fileView(await files.add(first.path, { filename: first.filename, purpose })));
      } finally {
        await discard(given);
      }
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/files',
      tag,
      summary: 'Uploads, the newest first',
      query: Listing,
      answer: pageOf(FileView),
    },
    (c, { query }) => {
      const { purpose } = query;
      const chosen = shelf
        .all()
        .filter((file) => purpose === undefined || file.purpose === purpose);
      return c.json(page(chosen, query, fileView));
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/files/{id}',
      tag,
      summary: 'An upload',
      params: One,
      answer: FileView,
    },
    (c, { params }) => c.json(fileView(files.get(params.id))),
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/files/{id}/content',
      tag,
      summary: 'Its bytes, or one of its frames as PNG',
      params: One,
      query: Frame,
      answer: { types: FILE_TYPES },
      ranges: true,
    },
    async (c, { params, query }) => {
      const file = files.get(params.id);
      const { contentType: type, filename } = file;
      if (query.frame === undefined) return answerFile(c, files.pathOf(file), { type, filename });
      if (file.kind !== 'image' && file.kind !== 'video') {
        throw badRequest(`frame: ${file.filename} has no frames; leave it out`, 'frame');
      }
      const to = incomingPath(parts.body.incoming, '.png');
      try {
        const frame = { path: files.pathOf(file), name: filename, index: query.frame, to };
        await checker.call('frame', frame).catch((error: unknown) => {
          files.get(file.id); // it may have been removed meanwhile
          throw error;
        });
        return new Response(await readFile(to), { headers: { 'content-type': 'image/png' } });
      } finally {
        await rm(to, { force: true });
      }
    },
  );

  route(
    app,
    {
      method: 'delete',
      path: '/v1/files/{id}',
      tag,
      summary: 'Removes an upload; jobs that use it keep what they need',
      params: One,
      answer: Deleted,
    },
    async (c, { params }) => {
      const { id } = files.get(params.id);
      await shelf.remove(id);
      return c.json({ id, object: 'file' as const, deleted: true as const });
    },
  );
}
