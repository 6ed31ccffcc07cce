/**
 * Declares a route once: what it takes is checked by the schemas that OpenAPI shows, and what goes wrong
 * is answered in one form.
 */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { inOurWords } from '../../check-config.js';
import { didYouMean } from '../../suggest.js';
import { badRequest, ErrorAnswer, HttpError } from '../errors.js';

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
  /** the body of a successful answer: a schema, or the types of what is no JSON */
  answer: z.ZodType | { types: readonly string[] } | null;
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
    const checked = {
      params: params ? expect(params, c.req.param(), notThere) : {},
      query: expect(query ?? NOTHING, queryOf(c), badRequest),
    } as Checked<P, Q>;
    return handle(c, checked);
  };
  app.on(method.toUpperCase(), path.replaceAll(/\{(\w+)\}/g, ':$1'), handler);
}

/** Methods that an address has, in which it is asked by another: `GET, POST`; null if it has none. */
export function methodsAt(app: OpenAPIHono, path: string): string | null {
  const found = app.openAPIRegistry.definitions.flatMap((one) =>
    one.type === 'route' && patternOf(one.route.path).test(path)
      ? [one.route.method.toUpperCase()]
      : [],
  );
  return found.length > 0 ? [...new Set(found)].join(', ') : null;
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
  const found: Record<string, unknown> = {};
  for (const [name, values] of Object.entries(c.req.queries())) {
    if (values.length > 1)
      throw badRequest(`${name}: is given ${values.length} times; give it once`, name);
    found[name] = values[0];
  }
  return found;
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
  const types = answer !== null && 'types' in answer ? answer.types : null;
  const content = types
    ? Object.fromEntries(types.map((type) => [type, { schema: BYTES }]))
    : answer !== null
      ? { 'application/json': { schema: answer as z.ZodType } }
      : undefined;
  app.openAPIRegistry.registerPath({
    method,
    path,
    summary,
    tags: [tag],
    request: {
      params,
      query,
      headers,
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
      default: { description: 'What went wrong.', content: ERRORS },
    },
  });
}

const BYTES = z.string().openapi({ format: 'binary' });
