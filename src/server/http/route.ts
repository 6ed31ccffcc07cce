/**
 * Declares a route once: what it takes is checked by the schemas that OpenAPI shows, and what goes wrong
 * is answered in one form.
 */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { inOurWords } from '../../check-config.js';
import { didYouMean } from '../../suggest.js';
import { badRequest, HttpError } from '../errors.js';
import { ErrorAnswer } from '../schemas/error.js';

type Shape = z.ZodObject;

export interface RouteSpec<P extends Shape, Q extends Shape> {
  method: 'get' | 'post' | 'delete';
  /** as in OpenAPI: `/v1/videos/{id}` */
  path: string;
  summary: string;
  tag: string;
  params?: P;
  query?: Q;
  headers?: Shape;
  /** what the body may be; the handler reads it */
  body?: { schema?: z.ZodType; form?: z.ZodType; required?: boolean };
  /** the body of a successful answer: a schema, or the types of what is no JSON, and what it holds */
  answer: z.ZodType | { types: readonly string[]; schema?: z.ZodType } | null;
  /** who asks for a stream gets events instead */
  streams?: boolean;
  /** it is a file, which may be asked for in part, and is not sent again if it has not changed */
  ranges?: boolean;
  /** default: 200, or 204 without an answer */
  status?: 200 | 202 | 204;
}

export interface Checked<P extends Shape, Q extends Shape> {
  params: z.infer<P>;
  query: z.infer<Q>;
}

const NOTHING = z.strictObject({});

export function route<P extends Shape = typeof NOTHING, Q extends Shape = typeof NOTHING>(
  app: OpenAPIHono,
  spec: RouteSpec<P, Q>,
  handle: (c: Context, checked: Checked<P, Q>) => Promise<Response> | Response,
): void {
  const { method, path, params, query } = spec;
  document(app, spec);
  const handler = async (c: Context) => {
    // /v1/videos/sync is no job
    if (params) expectMethod(app, c);
    const checked = {
      params: params ? expect(params, c.req.param(), notThere) : {},
      query: expect(query ?? NOTHING, queryOf(c), badRequest),
    } as Checked<P, Q>;
    return handle(c, checked);
  };
  app.on(method.toUpperCase(), path.replaceAll(/\{(\w+)\}/g, ':$1'), handler);
}

/** The error of an address that no route has taken. */
export function nothingAt(app: OpenAPIHono, c: Context): HttpError {
  const { path } = c.req;
  const methods = methodsAt(app, (one) => patternOf(one).test(path));
  if (methods.length > 0) return wrongMethod(c, methods);
  return new HttpError(404, 'not_found', `there is nothing at ${path}; /docs lists what there is`);
}

/** @throws HttpError if the address itself, rather than one with an id, takes other methods only */
function expectMethod(app: OpenAPIHono, c: Context): void {
  const methods = methodsAt(app, (one) => one === c.req.path);
  if (methods.length > 0 && !methods.includes(c.req.method)) throw wrongMethod(c, methods);
}

function wrongMethod({ req: { path, method } }: Context, methods: readonly string[]): HttpError {
  const allow = methods.join(', ');
  return new HttpError(405, 'wrong_method', `${path} cannot be asked by ${method}; use ${allow}`, {
    headers: { allow },
  });
}

function methodsAt(app: OpenAPIHono, has: (path: string) => boolean): string[] {
  const found = app.openAPIRegistry.definitions.flatMap((one) =>
    one.type === 'route' && has(one.route.path) ? [one.route] : [],
  );
  // an address of its own comes before one with an id
  const exact = found.filter((one) => !one.path.includes('{'));
  const methods = (exact.length > 0 ? exact : found).map(({ method }) => method.toUpperCase());
  return [...new Set(methods)];
}

const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);

/** The value, checked by a schema. @throws HttpError naming what is wrong */
export function expectBody<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  return expect(schema, value, badRequest) as z.infer<T>;
}

function expect(
  schema: z.ZodType,
  value: unknown,
  problem: (message: string, param?: string) => HttpError,
): unknown {
  const parsed = schema.safeParse(value, { error: inOurWords });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const where = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const [key] = issue.keys;
    const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
    const hint = didYouMean(key!, known);
    const name = where === '' ? key! : `${where}.${key}`;
    throw problem(`${name}: is no field of this request${hint || '; leave it out'}`, name);
  }
  throw problem(`${where || 'the body'}: ${issue.message}`, where || undefined);
}

/** An address with an id that cannot exist is that of nothing. */
const notThere = (message: string): HttpError =>
  new HttpError(404, 'not_found', `there is nothing here (${message}); check the address`);

/** The query with numbers and flags as such; a name that is given twice is a mistake. */
function queryOf(c: Context): Record<string, unknown> {
  const found = Object.entries(c.req.queries()).map(([name, values]) => {
    if (values.length > 1)
      throw badRequest(`${name}: is given ${values.length} times; give it once`, name);
    return [name, values[0]] as const;
  });
  return Object.fromEntries(found);
}

/** A number in a query. */
export const queryNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^-?\d{1,15}$/, { error: () => 'must be a whole number' })
    .transform(Number)
    .refine((value) => value >= least && value <= most, {
      error: () => `must be from ${least} to ${most}`,
    })
    .openapi({ type: 'integer', minimum: least, maximum: most });

const ERRORS = { 'application/json': { schema: ErrorAnswer } };

function document<P extends Shape, Q extends Shape>(app: OpenAPIHono, spec: RouteSpec<P, Q>): void {
  const { method, path, summary, tag, params, query, headers, body, answer } = spec;
  const status = spec.status ?? (answer === null ? 204 : 200);
  const content = answer === null ? undefined : contentOf(answer, spec.streams ?? false);
  app.openAPIRegistry.registerPath({
    method,
    path,
    summary,
    tags: [tag],
    request: {
      params,
      query,
      headers: spec.ranges ? RANGES : headers,
      body: body && {
        required: body.required ?? true,
        content: {
          ...(body.schema ? { 'application/json': { schema: body.schema } } : {}),
          ...(body.form ? { 'multipart/form-data': { schema: body.form } } : {}),
        },
      },
    },
    responses: {
      [status]: { description: 'Success.', ...(content ? { content } : {}) },
      ...(spec.ranges ? { 206: { description: 'A part of it.', content } } : {}),
      ...(spec.ranges ? { 304: { description: 'It has not changed.' } } : {}),
      default: { description: 'What went wrong.', content: ERRORS },
    },
  });
}

type Content = Record<string, { schema: z.ZodType }>;

/** A successful answer by its types. */
function contentOf(
  answer: NonNullable<RouteSpec<Shape, Shape>['answer']>,
  streams: boolean,
): Content {
  const events: Content = streams ? { 'text/event-stream': { schema: BYTES } } : {};
  if (!('types' in answer)) return { 'application/json': { schema: answer }, ...events };
  const schemaOf = (type: string) => (type === 'application/json' ? z.unknown() : BYTES);
  const content = answer.types.map(
    (type) => [type, { schema: answer.schema ?? schemaOf(type) }] as const,
  );
  return { ...Object.fromEntries(content), ...events };
}

const RANGES = z.object({
  range: z.string().optional().describe('one part: bytes=0-99'),
  'if-none-match': z.string().optional().describe('the etag of what the client has'),
});

const BYTES = z.string().openapi({ format: 'binary' });
