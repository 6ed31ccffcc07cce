/** What is no API: the specification, its reference, figures, sessions of pages, and the studio. */
import { readFile, stat } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { fromRoot, isCheckout, packageVersion } from '../../files/package-root.js';
import { notFound } from '../errors.js';
import { readJson } from '../http/body.js';
import { COOKIE } from '../http/guard.js';
import { expectBody, route } from '../http/route.js';
import { labels } from '../metrics.js';
import type { ServerParts } from '../parts.js';
import { JOB_STATES } from '../schemas/job.js';
import { referencePage } from './reference-page.js';

/** Where the studio's files are: built in a checkout, shipped in a package. */
export const STUDIO = fromRoot(isCheckout ? 'build/studio' : 'dist/studio');

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.jpg': 'image/jpeg',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.map': 'application/json',
  '.wasm': 'application/wasm',
  '.mp4': 'video/mp4',
  '.txt': 'text/plain; charset=utf-8',
};

const POLICY =
  "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const Session = z.strictObject({ api_key: z.string().min(1).max(1000) }).openapi('Session');

export function siteRoutes(app: OpenAPIHono, parts: ServerParts, studio = STUDIO): void {
  const { guard } = parts;
  const tag = 'Server';

  route(
    app,
    {
      method: 'post',
      path: '/v1/session',
      tag,
      summary: 'Begins a session with a key, for pages, which cannot send it everywhere',
      body: { schema: Session },
      answer: null,
    },
    async (c) => {
      const { api_key: key } = expectBody(Session, await readJson(c, parts.body));
      const token = guard.begin(key);
      setCookie(c, COOKIE, token, { httpOnly: true, sameSite: 'Strict', path: '/' });
      return c.body(null, 204);
    },
  );

  route(
    app,
    { method: 'delete', path: '/v1/session', tag, summary: 'Ends it', answer: null },
    (c) => {
      guard.end(getCookie(c, COOKIE) ?? '');
      deleteCookie(c, COOKIE, { path: '/' });
      return c.body(null, 204);
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/metrics',
      tag,
      summary: 'Figures for Prometheus',
      answer: { types: ['text/plain'] },
    },
    (c) =>
      c.text(figures(parts), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  );

  let specification: unknown = null;
  const document = () => {
    specification ??= app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'mfm',
        version: packageVersion,
        license: { name: 'Apache-2.0' },
        description:
          'Pictures and clips from one model, on your own machine. Images and files are as in the API of OpenAI, videos in its style.',
      },
      servers: [{ url: '/' }],
      security: [{}, { key: [] }],
    });
    return specification;
  };
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
  });

  app.get('/openapi.json', (c) => c.json(document() as Record<string, unknown>));

  app.get('/docs', (c) => {
    c.header('content-security-policy', POLICY);
    return c.html(referencePage(document() as Parameters<typeof referencePage>[0]));
  });

  app.get('*', async (c) => {
    const path = c.req.path;
    if (path.startsWith('/v1/')) return c.notFound();
    const file = await fileAt(studio, path);
    if (file === null) {
      if (path !== '/')
        throw notFound(`there is nothing at ${path}; the studio is at /, the reference at /docs`);
      c.header('content-security-policy', POLICY);
      return c.html(NOT_BUILT, 404);
    }
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    const isPage = type.startsWith('text/html');
    return new Response(await readFile(file), {
      headers: {
        'content-type': type,
        // names of built files change with their content
        'cache-control': path.startsWith('/assets/')
          ? 'public, max-age=31536000, immutable'
          : 'no-cache',
        ...(isPage ? { 'content-security-policy': POLICY } : {}),
      },
    });
  });
}

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>mfm</title>
<p>The studio is not built; build it with <code>npm run build:studio</code>. The API is here all the same: <a href="/docs">its reference</a>.</p></html>`;

/** The file of a path in the folder; null if there is none, or the path leads out of it. */
async function fileAt(folder: string, path: string): Promise<string | null> {
  let name: string;
  try {
    name = decodeURIComponent(path);
  } catch {
    return null;
  }
  if (name.includes('\0')) return null;
  const file = normalize(join(folder, name.endsWith('/') ? `${name}index.html` : name));
  if (!file.startsWith(folder + sep)) return null;
  const found = await stat(file).catch(() => null);
  return found?.isFile() ? file : null;
}

function figures({ jobs, queue, engine, checker, metrics, startedMs }: ServerParts): string {
  const all = jobs.all();
  const memory: [string, number][] = [
    [labels({ process: 'server' }), process.memoryUsage.rss()],
    [labels({ process: 'engine' }), engine.memoryBytes ?? 0],
    [labels({ process: 'checker' }), checker.memoryBytes ?? 0],
  ];
  return metrics.text([
    {
      name: 'mfm_jobs',
      type: 'gauge',
      help: 'jobs that are kept, by state',
      values: JOB_STATES.map((state) => [
        labels({ state }),
        all.filter(({ status }) => status === state).length,
      ]),
    },
    {
      name: 'mfm_queue_paused',
      type: 'gauge',
      help: 'is the queue paused?',
      values: [['', Number(queue.paused)]],
    },
    {
      name: 'mfm_memory_bytes',
      type: 'gauge',
      help: 'memory held by each process',
      values: memory,
    },
    {
      name: 'mfm_engine_starts_total',
      type: 'counter',
      help: 'processes that were started as engine',
      values: [['', engine.starts]],
    },
    {
      name: 'mfm_uptime_seconds',
      type: 'gauge',
      help: 'time since the start',
      values: [['', (Date.now() - startedMs) / 1000]],
    },
  ]);
}
