/**
 * From a request to its first event, the time of a job beside that of the library, and idle memory.
 *
 *     node --import tsx bench/server/latency.ts [rounds, 20] [steps, 24]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromRoot } from '../../src/files/package-root.js';
import { open } from '../../src/index.js';
import { memoryBytes, sleep, startServer } from './process.js';

const [rounds = 20, steps = 24] = process.argv.slice(2).map(Number);
const root = mkdtempSync(join(tmpdir(), 'mfm-latency-'));
const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const server = await startServer(join(root, 'server'));
while (!(await server.get('/v1/models/mfm-mini')).body.loaded) await sleep(100);
const pids = [server.child.pid!, ...server.engines()];
const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
console.log(
  `idle: ${pids.map((pid) => mib(memoryBytes([pid]))).join(' + ')} = ${mib(memoryBytes(pids))} (server, checks, engine)`,
);

const mfm = await open(fromRoot('models/mfm-mini'));
const body = { task: 't2i', prompt: 'a large orange cube', seed: 7, num_inference_steps: steps };
const first: number[] = [];
const jobs: number[] = [];
const alone: number[] = [];
for (let i = 0; i < rounds! + 2; i++) {
  // one after the other, in turn, so that both have the machine as it is
  const startMs = performance.now();
  const { prompt, seed } = body;
  const own = mfm.generate('t2i', { prompt, seed, numInferenceSteps: steps });
  await own.save(join(root, `${i}.png`));
  const libraryMs = performance.now() - startMs;

  let eventMs = 0;
  const [begin] = await server.events('/v1/events', { last: () => true });
  const watching = server.events('/v1/events', {
    headers: { 'last-event-id': begin!.id! },
    last: ({ name }) => {
      if (eventMs === 0) eventMs = performance.now();
      return name === 'completed';
    },
  });
  const sentMs = performance.now();
  await server.post('/v1/videos', body);
  await watching;
  const jobMs = performance.now() - sentMs;
  if (i < 2) continue; // the first ones load weights
  alone.push(libraryMs);
  first.push(eventMs - sentMs);
  jobs.push(jobMs);
}
await mfm.dispose();
const [a, j] = [median(alone), median(jobs)];
console.log(
  `from POST to the first event: median ${median(first).toFixed(1)} ms, slowest ${Math.max(...first).toFixed(1)} ms`,
);
console.log(
  `t2i of ${steps} steps: library ${a.toFixed(0)} ms, job ${j.toFixed(0)} ms from POST to its completed event: ${(100 * (j / a - 1)).toFixed(1)} % more`,
);
await server.end();
rmSync(root, { recursive: true });
