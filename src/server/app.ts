/**
 * The server as an app that answers requests, to be listened for by `listen` or mounted elsewhere:
 * what it keeps on disk, the two processes that compute, the queue, and the routes.
 */
import { resolve } from 'node:path';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { cors } from 'hono/cors';
import { secureHeaders } from 'hono/secure-headers';
import { InputError, JobError } from '../errors.js';
import { EngineChild } from './engine/child.js';
import { bodyOf, HttpError, statusOf, ToldError } from './errors.js';
import { Fetcher } from './http/fetch-url.js';
import { Guard } from './http/guard.js';
import { nothingAt } from './http/route.js';
import type { CreateParts } from './jobs/create.js';
import { Events } from './jobs/events.js';
import type { JobRecord } from './jobs/job.js';
import { Queue } from './jobs/queue.js';
import { Loras } from './loras.js';
import { Metrics } from './metrics.js';
import { Models } from './models.js';
import { DEFAULTS, type ServerOptions } from './options.js';
import type { ServerParts } from './parts.js';
import { contentRoutes } from './routes/content.js';
import { eventRoutes } from './routes/events.js';
import { fileRoutes } from './routes/files.js';
import { imageRoutes } from './routes/images.js';
import { modelRoutes } from './routes/models.js';
import { planRoutes } from './routes/plan.js';
import { queueRoutes } from './routes/queue.js';
import { runRoutes } from './routes/runs.js';
import { siteRoutes } from './routes/site.js';
import { trainingRoutes } from './routes/training.js';
import { videoRoutes } from './routes/videos.js';
import { type FileRecord, Files } from './store/files.js';
import { claim, clearIncoming, partOf } from './store/folder.js';
import { Shelf } from './store/shelf.js';
import type { TrainingRecord } from './training/job.js';
import { Training } from './training/training.js';

/** A server that is open: it makes jobs, whether or not anybody asks. */
export interface MfmServer {
  /** a hono app; its `fetch` answers a request */
  app: OpenAPIHono;
  /** the folder that holds jobs and files, absolute */
  folder: string;
  /** the process that makes results; null: none runs */
  readonly enginePid: number | null;
  /** Stops at the present step; jobs that were in progress begin anew when the folder is opened again. */
  close(): Promise<void>;
}

/**
 * Opens a server. @throws InputError for a pipeline that cannot be opened, and for a folder that holds
 * something else; JobError if another server uses the folder
 */
export async function openServer(options: ServerOptions): Promise<MfmServer> {
  const say = options.onNote ?? (() => {});
  const root = resolve(options.folder ?? DEFAULTS.folder);
  const lock = claim(root);
  const cancelMs = options.cancelMs ?? DEFAULTS.cancelMs;
  const engine = new EngineChild({ what: 'the engine', cwd: root, graceMs: cancelMs });
  const checker = new EngineChild({ what: 'the checking process', cwd: root, graceMs: cancelMs });
  try {
    const parts = build(options, { root, engine, checker, say });
    for (const name of await pipelinesOf(options, parts)) await parts.models.add(name);
    await parts.training.start();
    await parts.queue.start();
    const first = parts.models.get();
    // the first job need not wait for it
    engine.call('open', { open: parts.models.openOf(first.id, []) }).catch((error: Error) => {
      if (!isStop(error)) say(`${first.id}: ${error.message}`);
    });
    const close = async () => {
      // both hear of it at once, and ask for nothing more
      await Promise.all([parts.queue.close(), parts.training.close()]);
      await engine.stop();
      await checker.stop();
      lock.release();
    };
    return {
      app: appOf(parts, options),
      folder: root,
      get enginePid() {
        return engine.pid;
      },
      close,
    };
  } catch (error) {
    await engine.stop();
    await checker.stop();
    lock.release();
    throw asProblem(error);
  }
}

/** The pipelines to offer: those that are named, or the newest one. */
async function pipelinesOf(
  { pipelines = [], onNote }: ServerOptions,
  { checker }: ServerParts,
): Promise<readonly string[]> {
  if (pipelines.length > 0) return pipelines;
  const { folder, notes } = await checker.call('newest', { from: process.cwd() });
  for (const note of notes) onNote?.(note);
  return [folder];
}

/** Is this what calls fail with when their process is stopped, rather than dead? */
const isStop = (error: unknown): boolean =>
  error instanceof ToldError && error.body.code === 'stopped';

/** What a child process told of, as an error of this one. */
function asProblem(error: unknown): unknown {
  if (!(error instanceof ToldError)) return error;
  const { message, type } = error.body;
  return type === 'invalid_request_error' ? new InputError(message) : new JobError(message);
}

interface Base {
  root: string;
  engine: EngineChild;
  checker: EngineChild;
  say: (sentence: string) => void;
}

function build(options: ServerOptions, { root, engine, checker, say }: Base): ServerParts {
  const { device, dtype, depthModel, data } = options;
  const maxPixels = options.maxPixels ?? DEFAULTS.maxPixels;
  const maxUpload = options.maxUpload ?? DEFAULTS.maxUpload;
  const maxQueue = options.maxQueue ?? DEFAULTS.maxQueue;
  const incoming = clearIncoming(root);
  const watched = new Set<string>();
  const metrics = new Metrics();
  const events = new Events();
  const jobs = new Shelf<JobRecord>(partOf(root, 'jobs'), 'job.json', say);
  const files = new Files(
    new Shelf<FileRecord>(partOf(root, 'files'), 'file.json', say),
    checker,
    maxPixels,
  );
  const models = new Models(checker, { device, dtype, depthModel });
  const training = new Training({
    shelf: new Shelf<TrainingRecord>(partOf(root, 'training'), 'job.json', say),
    events,
    files,
    models,
    checker,
    runs: resolve(options.runs ?? DEFAULTS.runs),
    dataRoot: data === undefined ? null : resolve(data),
    say,
  });
  const loras = new Loras({ folder: partOf(root, 'loras'), files, training, checker });
  const queue = new Queue({
    jobs,
    events,
    engine,
    folder: root,
    most: maxQueue,
    openOf: models.openOf,
    watched,
    onEnd: (job, stages) => {
      watched.delete(job.id);
      metrics.ended(job, stages);
    },
    say,
  });
  const create: CreateParts = {
    jobs,
    files,
    models,
    queue,
    checker,
    root,
    incoming,
    fetcher: new Fetcher({ incoming, allowUrls: options.allowUrls ?? false, maxBytes: maxUpload }),
    engineBytes: () => engine.memoryBytes ?? 0,
    limits: { maxPixels, maxFrames: options.maxFrames ?? DEFAULTS.maxFrames },
    watched,
    loras,
  };
  const guard = new Guard({
    apiKeys: options.apiKeys ?? [],
    hosts: options.hosts ?? [],
    origins: options.origins ?? [],
    rate: options.rate ?? DEFAULTS.rate,
  });
  const body = { incoming, maxUpload, stallMs: options.stallMs ?? DEFAULTS.stallMs };
  const startedMs = Date.now();
  return {
    jobs,
    queue,
    events,
    files,
    models,
    engine,
    checker,
    create,
    training,
    loras,
    guard,
    metrics,
    body,
    maxQueue,
    startedMs,
  };
}

/** Headers of answers that pages of other sites may read. */
const EXPOSED = ['content-range', 'etag', 'retry-after', 'x-video-id'];

function appOf(
  parts: ServerParts,
  { studio, origins = [] }: Pick<ServerOptions, 'studio' | 'origins'>,
): OpenAPIHono {
  const app = new OpenAPIHono();
  app.use('*', async (c, next) => {
    await next();
    parts.metrics.request(c.req.method, routeOf(c), c.res.status);
  });
  app.use('*', secureHeaders({ crossOriginResourcePolicy: 'same-origin', xFrameOptions: 'DENY' }));
  // before the guard, as browsers ask whether they may ask without a key
  if (origins.length > 0) app.use('*', cors({ origin: [...origins], exposeHeaders: EXPOSED }));
  app.use('*', parts.guard.check);
  app.use('*', async (_, next) => {
    parts.queue.expectOpen();
    await next();
  });
  app.onError((error, c) => answerError(error, c));
  app.notFound((c) => answerError(nothingAt(app, c), c));
  modelRoutes(app, parts);
  videoRoutes(app, parts);
  planRoutes(app, parts);
  contentRoutes(app, parts);
  eventRoutes(app, parts);
  queueRoutes(app, parts);
  imageRoutes(app, parts);
  fileRoutes(app, parts);
  trainingRoutes(app, parts);
  runRoutes(app, parts);
  siteRoutes(app, parts, studio);
  return app;
}

function answerError(error: unknown, c: Context): Response {
  const body = bodyOf(error);
  if (error instanceof HttpError)
    for (const [name, value] of Object.entries(error.headers)) c.header(name, value);
  return c.json({ error: body }, statusOf(error));
}

/** The route that answered, as it was declared: addresses themselves would be too many figures. */
const routeOf = (c: Context): string =>
  c.req.matchedRoutes.map(({ path }) => path).findLast((path) => path !== '*' && path !== '/*') ??
  'other';
