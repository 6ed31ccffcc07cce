import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobRecord } from '../../src/server/jobs/job.js';
import { Metrics } from '../../src/server/metrics.js';

/** The samples of a figure, by what stands before their value. */
function samples(text: string, name: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line.startsWith(name));
  return new Map(
    lines.map((line) => [
      line.slice(name.length, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' '))),
    ]),
  );
}

test('the time of jobs in each stage is a histogram', () => {
  const metrics = new Metrics();
  const job = { task: 't2i', status: 'completed', inferenceSeconds: 3 } as JobRecord;
  metrics.ended(
    job,
    new Map([
      ['queued', 0.25],
      ['steps', 4],
    ]),
  );
  metrics.ended(job, new Map([['steps', 20_000]]));
  const text = metrics.text([]);
  assert.match(text, /^# HELP mfm_job_stage_seconds \S/m);
  assert.match(text, /^# TYPE mfm_job_stage_seconds histogram$/m);
  const found = samples(text, 'mfm_job_stage_seconds');
  const steps = (le: string) => found.get(`_bucket{stage="steps",le="${le}"}`);
  assert.deepEqual(
    [steps('1'), steps('5'), steps('10'), steps('7200'), steps('+Inf')],
    [0, 1, 1, 1, 2],
  );
  assert.equal(found.get('_sum{stage="steps"}'), 20_004);
  assert.equal(found.get('_count{stage="steps"}'), 2);
  assert.deepEqual(
    [found.get('_bucket{stage="queued",le="0.1"}'), found.get('_bucket{stage="queued",le="0.5"}')],
    [0, 1],
  );
  assert.equal(samples(text, 'mfm_job_seconds').get('_sum{task="t2i"}'), 6);
});
