/** Training runs, those of the command line among them. */
import { readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { kindOf, type Point, readMetrics } from '../../train/run/metrics.js';
import { isRun, type RunSummary, readRecipeOf, summariseRun } from '../../train/run/status.js';
import { notFound } from '../errors.js';
import { answerFile } from '../http/answer-file.js';
import { queryNumber, route } from '../http/route.js';
import { contentTypeOf } from '../jobs/job.js';
import type { ServerParts } from '../parts.js';
import { listOf } from '../schemas/list.js';
import { RunMetrics, RunView, WholeRun } from '../schemas/training.js';

const tag = 'Runs';

const nameRule = () => 'must be a name of up to 200 letters, digits, -, _ and .';

/** Names of folders and files, which lead nowhere else: they do not consist of dots alone. */
const name = z
  .string()
  .max(200, { error: nameRule })
  .regex(/^\.*[\w-][\w.-]*$/, { error: nameRule });
const One = z.strictObject({ name });

const MetricsQuery = z.strictObject({
  part: z.string().max(40).optional(),
  figures: z.string().max(2000).optional().describe('names, or their beginnings, with commas'),
  after_step: queryNumber(0, 1e12).optional(),
  max_points: queryNumber(2, 100_000).optional().describe('of each figure; default: 1000'),
});

export function runRoutes(app: OpenAPIHono, { training }: ServerParts): void {
  const { runs, shelf } = training.parts;

  const folderOf = (run: string): string => {
    const folder = join(runs, run);
    if (isRun(folder)) return folder;
    throw notFound(`${run}: no such run; GET /v1/runs lists them`);
  };

  const view = (folder: string): RunView => {
    const run: RunSummary = summariseRun(folder);
    const job = shelf.all().find((one) => one.run === run.name);
    return {
      name: run.name,
      object: 'run',
      state: run.state,
      part: run.part,
      stage: run.stage,
      doing: run.doing,
      step: run.step,
      steps: run.steps,
      loss: finite(run.loss),
      validation: finite(run.validation),
      samples_per_second: finite(run.samplesPerSecond),
      updated_at: run.updatedMs === null ? null : Math.floor(run.updatedMs / 1000),
      size_bytes: run.sizeBytes,
      message: run.message,
      fine_tuning_job: job?.id ?? null,
    };
  };

  route(
    app,
    {
      method: 'get',
      path: '/v1/runs',
      tag,
      summary: 'Training runs, those of the command line among them; the newest first',
      answer: listOf(RunView),
    },
    (c) => {
      const folders = foldersIn(runs)
        .map((run) => join(runs, run))
        .filter(isRun);
      const data = folders.map(view).sort((a, b) => (b.updated_at ?? 0) - (a.updated_at ?? 0));
      return c.json({ object: 'list' as const, data });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/runs/{name}',
      tag,
      summary: 'A run, with its recipe and its sample sheets',
      params: One,
      answer: WholeRun,
    },
    async (c, { params }) => {
      const folder = folderOf(params.name);
      const samples = await readdir(join(folder, 'samples')).catch(() => []);
      const pictures = samples.filter((file) => /\.(png|jpg|webp)$/.test(file)).sort();
      return c.json({ ...view(folder), recipe: readRecipeOf(folder), samples: pictures });
    },
  );

  const Sample = One.extend({ file: name });
  route(
    app,
    {
      method: 'get',
      path: '/v1/runs/{name}/samples/{file}',
      tag,
      summary: 'A sample sheet',
      params: Sample,
      answer: { types: ['image/png', 'image/jpeg', 'image/webp'] },
      ranges: true,
    },
    (c, { params }) => {
      const path = join(folderOf(params.name), 'samples', params.file);
      return answerFile(c, path, { type: contentTypeOf(params.file) });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/runs/{name}/metrics',
      tag,
      summary: 'Its figures: losses by task, validation, throughput',
      params: One,
      query: MetricsQuery,
      answer: RunMetrics,
    },
    (c, { params, query }) => {
      const { part, figures, after_step: after = -1, max_points: most = 1000 } = query;
      const asked = figures
        ?.split(',')
        .map((one) => one.trim())
        .filter(Boolean);
      const isAsked = (figure: string) =>
        asked === undefined || asked.some((one) => figure === one || figure.startsWith(`${one}/`));
      const parts = readMetrics(folderOf(params.name))
        .filter((one) => part === undefined || one.part === part)
        .map(({ part, step, figures }) => ({
          part,
          step,
          figures: Object.fromEntries(
            [...figures]
              .filter(([figure]) => isAsked(figure))
              .map(([figure, points]) => {
                const rest = points.filter((point) => point.step > after);
                return [figure, { kind: kindOf(figure), points: thinned(rest, most).map(row) }];
              }),
          ),
        }));
      return c.json({ object: 'run.metrics' as const, run: params.name, parts });
    },
  );
}

const finite = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) ? value : null;

const row = ({ step, seconds, samples, value }: Point): [number, number, number, number | null] => [
  step,
  Math.round(seconds * 10) / 10,
  Math.round(samples),
  finite(value),
];

/** At most so many points, at even distances; the last one is always there. */
function thinned<T>(points: readonly T[], most: number): readonly T[] {
  if (points.length <= most) return points;
  return Array.from(
    { length: most },
    (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))]!,
  );
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // nothing was trained yet
  }
}
