/**
 * Kills the server and its engine at random while it makes a queue of jobs, and checks that nothing is
 * lost, that no state lies, and that results are those of a server that was left alone.
 *
 *     node --import tsx bench/server/kills.ts [kills, 200] [jobs, 50]
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RandomStream } from '../../src/data/random.js';
import type { VideoJob } from '../../src/server/schemas/job.js';
import { type ServerProcess, sleep, startServer } from './process.js';

const [kills = 200, count = 50] = process.argv.slice(2).map(Number);
const random = new RandomStream(Number(process.env.SEED ?? 1), 'kills');
const root = mkdtempSync(join(tmpdir(), 'mfm-kills-'));
const STEPS = 100;
const body = (seed: number) => ({
  task: 't2i',
  prompt: 'a red cube',
  seed,
  num_inference_steps: STEPS,
});
const ENDS = ['completed', 'failed', 'cancelled'];

/** What each seed makes, on a server that nobody kills. */
async function reference(seeds: readonly number[]): Promise<Map<number, string>> {
  const server = await startServer(join(root, 'calm'));
  const made = new Map<number, string>();
  for (const seed of seeds) {
    const { body: job } = await server.post<VideoJob>('/v1/videos', body(seed));
    await server.until(job.id, 'completed');
    made.set(seed, await hashOf(server, job.id));
  }
  await server.end();
  return made;
}

const hashOf = async (server: ServerProcess, id: string): Promise<string> =>
  createHash('sha256')
    .update((await server.bytes(`/v1/videos/${id}/content`)).bytes)
    .digest('hex');

const folder = join(root, 'server');
const seeds = Array.from({ length: count! }, (_, i) => i % 5);
const expected = await reference([...new Set(seeds)]);
let server = await startServer(folder);
const ids = new Map<string, number>();
let submitted = 0;
/** what was answered last of each job: it may go on, but never back from its end */
const told = new Map<string, string>();
const done = { server: 0, engine: 0 };
let requeued = 0;

async function submit(): Promise<void> {
  const active = [...ids.keys()].filter((id) => !ENDS.includes(told.get(id) ?? ''));
  for (let i = active.length; i < 10 && ids.size < count!; i++) {
    const seed = seeds[submitted % seeds.length]!;
    const answer = await server.post<VideoJob>('/v1/videos', body(seed), {
      'idempotency-key': `job-${submitted}`,
    });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    submitted++;
    ids.set(answer.body.id, seed);
    told.set(answer.body.id, answer.body.status);
  }
}

/** Looks at all jobs, and at what the disk says of them. */
async function look(): Promise<VideoJob[]> {
  const { body: list } = await server.get('/v1/videos?limit=100&order=asc');
  const jobs = list.data as VideoJob[];
  assert.equal(jobs.length, ids.size, 'a job is lost, or there are too many');
  assert.ok(jobs.filter(({ status }) => status === 'in_progress').length <= 1);
  for (const job of jobs) {
    const before = told.get(job.id)!;
    if (ENDS.includes(before)) assert.equal(job.status, before, `${job.id} was ${before}`);
    const stored = JSON.parse(readFileSync(join(folder, 'jobs', job.id, 'job.json'), 'utf8'));
    if (ENDS.includes(job.status))
      assert.equal(stored.status, job.status, 'the disk says another thing');
    if (before === 'in_progress' && job.status === 'queued') requeued++;
    told.set(job.id, job.status);
  }
  return jobs;
}

for (let i = 0; i < kills!; i++) {
  await submit();
  await sleep(random.between(20, 700));
  await look();
  if (random.chance(0.5)) {
    const engines = server.engines();
    const engine = engines[Math.floor(random.between(0, engines.length))];
    if (engine !== undefined) {
      process.kill(engine, 'SIGKILL');
      done.engine++;
    }
  } else {
    await server.end('SIGKILL');
    done.server++;
    server = await startServer(folder);
  }
  await look();
  // failed ones are asked for again, as a user would
  for (const [id, status] of told) {
    if (status !== 'failed') continue;
    const { body: job } = await server.get<VideoJob>(`/v1/videos/${id}`);
    assert.equal(job.error!.code, 'engine_died');
    const seed = ids.get(id)!;
    await server.remove(`/v1/videos/${id}`);
    ids.delete(id);
    told.delete(id);
    const again = await server.post<VideoJob>('/v1/videos', body(seed));
    if (again.status !== 200) continue; // the process that checks was killed just now; it is submitted anew below
    ids.set(again.body.id, seed);
    told.set(again.body.id, again.body.status);
  }
  process.stdout.write(`\r${i + 1} of ${kills} kills, ${ids.size} jobs `);
}
for (;;) {
  await submit();
  const jobs = await look();
  if (ids.size === count && jobs.every(({ status }) => ENDS.includes(status))) break;
  await sleep(200);
}
let completed = 0;
for (const [id, seed] of ids) {
  if (told.get(id) !== 'completed') continue;
  completed++;
  assert.equal(await hashOf(server, id), expected.get(seed), `${id} has other bytes`);
}
await server.end();
rmSync(root, { recursive: true });
console.log(
  `\n${done.server} kills of the server and ${done.engine} of its children: ${ids.size} jobs, ${completed} completed with equal bytes, ${ids.size - completed} failed as their engine died; ${requeued} began again`,
);
