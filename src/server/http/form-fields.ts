/** The fields of a request for a result, from JSON or from a form, with its files uploaded. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Context } from 'hono';
import { badRequest, callField, HttpError } from '../errors.js';
import type { Files } from '../store/files.js';
import { type BodyLimits, discard, expectPlain, type FormFile, readBody } from './body.js';

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
  /** other names of fields; an error calls a field as the request does, or else by the first of them */
  rename?: Record<string, string>;
  /** nothing is made of the request, so that its uploads are removed in any case; default: false */
  passing?: boolean;
}

/** Fields whose text is text; all others may be JSON in a form. */
const TEXT = [
  ...['task', 'model', 'prompt', 'negative_prompt', 'added_prompt', 'size', 'expand', 'solver'],
  ...['fit', 'depth_is', 'output_format', 'seconds', 'seed', 'purpose', 'user', 'response_format'],
  ...['quality', 'background', 'moderation', 'style', 'input_fidelity'],
];

/**
 * Calls `use` with the fields; if that fails, what was uploaded with them is removed.
 * @throws HttpError for a body that cannot be read, or a file that cannot be used
 */
export async function withFields<T>(
  c: Context,
  limits: BodyLimits,
  files: Files,
  rules: FieldRules,
  use: (given: RequestFields) => Promise<T>,
): Promise<T> {
  const uploads: string[] = [];
  const names = new Map<string, string>();
  let isUsed = false;
  try {
    const result = await use(await readFields(c, limits, files, rules, { uploads, names }));
    isUsed = !rules.passing;
    return result;
  } catch (error) {
    for (const [name, field] of Object.entries(rules.rename ?? {})) {
      if (!names.has(field)) names.set(field, name);
    }
    for (const [field, name] of names) {
      if (error instanceof HttpError && name !== field) callField({ field, name }, error);
    }
    throw error;
  } finally {
    if (!isUsed) for (const id of uploads) await files.shelf.remove(id);
  }
}

/**
 * @param found.uploads  receives the ids of uploads
 * @param found.names    receives what the request calls each field
 */
async function readFields(
  c: Context,
  limits: BodyLimits,
  files: Files,
  { files: fileFields, lists, rename = {} }: FieldRules,
  { uploads, names }: { uploads: string[]; names: Map<string, string> },
): Promise<RequestFields> {
  const body = await readBody(c, limits);
  try {
    const isForm = (c.req.header('content-type') ?? '').toLowerCase().startsWith('multipart/');
    const fields: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(body.fields)) {
      const key = Object.hasOwn(rename, name) ? rename[name]! : name;
      if (Object.hasOwn(fields, key)) throw givenTwice(name, key);
      names.set(key, name);
      const given = isForm && !TEXT.includes(name) ? fromText(value) : value;
      const isOneOfList = name !== key && lists.includes(key) && !Array.isArray(given);
      fields[key] = isOneOfList ? [given] : given;
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
      if (!names.has(key)) names.set(key, file.field);
      put(identity, key, `sha256:${await hashOf(file)}`, lists);
      const { id } = await files
        .add(file.path, { filename: file.filename, purpose: 'user_data' })
        .catch((error: unknown) => {
          if (error instanceof HttpError) callField({ field: 'file', name: file.field }, error);
          throw error;
        });
      uploads.push(id);
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
  if (!lists.includes(key) && Object.hasOwn(fields, key)) throw givenTwice(key, key);
  if (!lists.includes(key)) fields[key] = value;
  else if (Array.isArray(fields[key])) (fields[key] as unknown[]).push(value);
  else fields[key] = fields[key] === undefined ? [value] : [fields[key], value];
}

const givenTwice = (name: string, key: string) =>
  badRequest(
    `${name}: is given twice${name === key ? '' : `, as ${key} too`}; leave one of them out`,
    name,
  );

/** Numbers, flags, objects and lists in a form are JSON; whatever is not is text. */
function fromText(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromText);
  if (typeof value !== 'string') return value;
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return value;
  }
  if (typeof parsed === 'object' && parsed !== null) expectPlain(parsed);
  return parsed;
}

async function hashOf({ path }: FormFile): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
