/** The fields of a request for a result, from JSON or from a form, with its files uploaded. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Context } from 'hono';
import { badRequest } from '../errors.js';
import type { Files } from '../store/files.js';
import { type BodyLimits, discard, type FormFile, readBody } from './body.js';

export interface RequestFields {
  fields: Record<string, unknown>;
  /** the same with hashes of files in the place of their ids: equal for requests that are */
  identity: Record<string, unknown>;
}

export interface FieldRules {
  /** fields that may come as a file */
  files: readonly string[];
  /** of these, fields that are lists */
  lists: readonly string[];
  /** other names of fields */
  rename?: Record<string, string>;
}

/** Fields whose text is text; all others may be JSON in a form. */
const TEXT = [
  ...['task', 'model', 'prompt', 'negative_prompt', 'added_prompt', 'size', 'expand', 'solver'],
  ...['fit', 'depth_is', 'output_format', 'seconds', 'seed', 'purpose', 'user', 'response_format'],
  ...['quality', 'background', 'moderation', 'style', 'input_fidelity'],
];

/** @throws HttpError for a body that cannot be read, or a file that cannot be used */
export async function readFields(
  c: Context,
  limits: BodyLimits,
  files: Files,
  { files: fileFields, lists, rename = {} }: FieldRules,
): Promise<RequestFields> {
  const body = await readBody(c, limits);
  try {
    const isForm = (c.req.header('content-type') ?? '').toLowerCase().startsWith('multipart/');
    const fields: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(body.fields)) {
      const key = Object.hasOwn(rename, name) ? rename[name]! : name;
      fields[key] = isForm && !TEXT.includes(name) ? fromText(value) : value;
    }
    const identity = structuredClone(fields);
    for (const file of body.files) {
      const key = Object.hasOwn(rename, file.field) ? rename[file.field]! : file.field;
      if (!fileFields.includes(key)) {
        throw badRequest(
          `${file.field}: takes no file; send files as ${fileFields.join(', ')}`,
          file.field,
        );
      }
      put(identity, key, `sha256:${await hashOf(file)}`, lists);
      const { id } = await files.add(file.path, { filename: file.filename, purpose: 'user_data' });
      put(fields, key, id, lists);
    }
    return { fields, identity };
  } finally {
    await discard(body.files);
  }
}

function put(
  fields: Record<string, unknown>,
  key: string,
  value: string,
  lists: readonly string[],
): void {
  if (!lists.includes(key)) fields[key] = value;
  else if (Array.isArray(fields[key])) (fields[key] as unknown[]).push(value);
  else fields[key] = fields[key] === undefined ? [value] : [fields[key], value];
}

/** Numbers, flags, objects and lists in a form are JSON; whatever is not is text. */
function fromText(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromText);
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

async function hashOf({ path }: FormFile): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
