/**
 * Runs schemathesis against a server that has something at each address: see schemathesis.sh, and
 * schemathesis_hooks.py for how requests stay small and streams end.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromRoot } from '../../src/files/package-root.js';
import type { Json } from '../../test/server/serving.js';
import { type ServerProcess, startServer } from './process.js';

const [schemathesis, examples = '20'] = process.argv.slice(2);
if (!schemathesis) throw new Error('name the program schemathesis; see schemathesis.sh');

/** Checks of what is answered; whether a wrong request is refused is for the tests. */
const CHECKS = [
  ...['not_a_server_error', 'status_code_conformance', 'content_type_conformance'],
  ...['response_headers_conformance', 'response_schema_conformance'],
  ...['unsupported_method', 'allow_header_conformance'],
  ...['use_after_free', 'ensure_resource_availability'],
];

const folder = mkdtempSync(join(tmpdir(), 'mfm-schemathesis-'));
const data = join(folder, 'data');
mkdirSync(join(data, 'dogs'), { recursive: true });
copyFileSync(fromRoot('examples/media/gecko.jpg'), join(data, 'dogs/gecko.jpg'));
writeFileSync(join(data, 'dogs/gecko.txt'), 'a gecko');

const bounds = ['--max-frames', '9', '--max-pixels', '65536', '--max-queue', '20'];
const server = await startServer(join(folder, 'server'), [...bounds, '--data', data]);
try {
  process.exitCode = await fuzz(await things(server));
  console.log(await answered(server));
} finally {
  await server.end();
  rmSync(folder, { recursive: true });
}

/** What the server has, by what stands in the addresses. */
async function things({
  get,
  post,
  upload,
  until,
  events,
  url,
}: ServerProcess): Promise<Record<string, string>> {
  const ask = async (path: string, body: unknown): Promise<Json> => {
    const answer = await post(path, body);
    if (answer.status !== 200) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const job = await ask('/v1/videos', { task: 't2i', prompt: 'a red cube', seed: 1 });
  await until(job.id, 'completed');
  const clip = await ask('/v1/videos', { task: 't2v', prompt: 'a red cube', num_frames: 5 });
  await until(clip.id, 'completed');
  const response = await fetch(`${url}/v1/videos/${job.id}/content`);
  const file = await upload(new Uint8Array(await response.arrayBuffer()), 'cube.png');
  const tuning = await ask('/v1/fine_tuning/jobs', {
    training_folder: 'dogs',
    hyperparameters: {
      steps: 2,
      batch_size: 1,
      num_frames: 1,
      width: 32,
      height: 32,
      tasks: ['t2i'],
    },
    method: { type: 'lora', lora: { rank: 2 } },
  });
  await events(`/v1/fine_tuning/jobs/${tuning.id}/events?stream=true`);
  const { body: run } = await get(`/v1/runs/${tuning.run}`);
  return {
    videos: job.id,
    clip: clip.id,
    files: file.body.id,
    jobs: tuning.id,
    models: 'mfm-mini',
    runs: tuning.run,
    samples: run.samples[0],
  };
}

/** How often each route answered with which status. */
async function answered({ url }: ServerProcess): Promise<string> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const counts = text.matchAll(
    /^mfm_requests_total\{method="(\w+)",route="([^"]+)",code="(\d+)"\} (\d+)$/gm,
  );
  const routes = new Map<string, string[]>();
  for (const [, method, route, code, count] of counts) {
    const key = `${method} ${route}`;
    routes.set(key, [...(routes.get(key) ?? []), `${code}: ${count}`]);
  }
  const lines = [...routes].map(([route, codes]) => `${route}  ${codes.sort().join(', ')}`);
  return lines.sort().join('\n');
}

async function fuzz(known: Record<string, string>): Promise<number> {
  const child = spawn(
    schemathesis!,
    [
      ...['run', `${server.url}/openapi.json`, '--url', server.url, '--no-color'],
      ...['--checks', CHECKS.join(','), '--max-examples', examples],
      ...['--seed', '1', '--request-timeout', '60'],
    ],
    {
      stdio: 'inherit',
      cwd: folder, // it leaves files where it runs
      env: {
        ...process.env,
        PYTHONPATH: fromRoot('bench/server'),
        SCHEMATHESIS_HOOKS: 'schemathesis_hooks',
        MFM_KNOWN: JSON.stringify(known),
        PYTHONDONTWRITEBYTECODE: '1',
      },
    },
  );
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
}
