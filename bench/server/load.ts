/**
 * Clients that poll and event streams, all at once, while jobs are made: are all answers right, how long
 * do they take, and does every stream hear of everything?
 *
 *     node --import tsx bench/server/load.ts [pollers, 100] [streams, 20] [seconds, 20]
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from './process.js';

const [pollers = 100, streams = 20, seconds = 20] = process.argv.slice(2).map(Number);
const root = mkdtempSync(join(tmpdir(), 'mfm-load-'));
const server = await startServer(root);
const body = (seed: number) => ({
  task: 't2i',
  prompt: 'a red cube',
  seed,
  num_inference_steps: 8,
});
const endMs = performance.now() + seconds! * 1000;
const times: number[] = [];
const ids: string[] = [];
const [begin] = await server.events('/v1/events', { last: () => true });
let last = '';

const listening = Array.from({ length: streams! }, () =>
  server.events('/v1/events', {
    headers: { 'last-event-id': begin!.id! },
    last: ({ name, data }) => name === 'completed' && data.video.id === last,
  }),
);

async function work(): Promise<void> {
  for (let seed = 0; performance.now() < endMs; seed++) {
    const { body: job } = await server.post('/v1/videos', body(seed));
    ids.push(job.id);
    await server.until(job.id, 'completed');
  }
  const { body: job } = await server.post('/v1/videos', body(0));
  last = job.id;
  ids.push(job.id);
  await server.until(job.id, 'completed');
}

async function poll(): Promise<void> {
  while (performance.now() < endMs) {
    const startMs = performance.now();
    const id = ids.at(-1);
    const { status } = await server.get(id ? `/v1/videos/${id}` : '/v1/videos');
    assert.equal(status, 200);
    times.push(performance.now() - startMs);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

await Promise.all([work(), ...Array.from({ length: pollers! }, poll)]);
for (const events of await Promise.all(listening)) {
  const completed = events
    .filter(({ name }) => name === 'completed')
    .map(({ data }) => data.video.id);
  assert.deepEqual(completed, ids, 'a stream missed something');
}
times.sort((a, b) => a - b);
const at = (share: number) => `${times[Math.floor(share * (times.length - 1))]!.toFixed(0)} ms`;
console.log(
  `${pollers} pollers, ${streams} streams: ${times.length} answers, median ${at(0.5)}, 99 % within ${at(0.99)}, slowest ${at(1)}; ${ids.length} jobs, of which every stream heard`,
);
await server.end();
rmSync(root, { recursive: true });
