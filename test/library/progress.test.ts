import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResultProgress } from '../../src/library/progress.js';
import type { ProgressEvent } from '../../src/library/request.js';

test('the time left is known at any moment from the second window on', () => {
  const told: ProgressEvent[] = [];
  let now = 0;
  const progress = new ResultProgress(
    (event) => told.push(event),
    () => now,
  );
  const seen = (ms: number, step: number, phase: ProgressEvent['phase'] = 'steps') => {
    now = ms;
    progress.update(phase, step, 2);
    return told.at(-1)!.etaMs;
  };
  progress.onWindow(0, 3);
  assert.equal(seen(0, 0), null, 'nothing is known yet');
  assert.equal(seen(50, 1), 50 + 2 * 100);
  assert.equal(seen(100, 0, 'frames'), null);
  assert.equal(seen(150, 1, 'frames'), 50 + 2 * 200);
  now = 200;
  progress.onWindow(1, 3);
  assert.equal(seen(200, 0), 2 * 200);
  assert.equal(seen(250, 1), 150 + 200);
  assert.equal(seen(300, 0, 'frames'), 100 + 200);
  assert.equal(seen(390, 1, 'frames'), 90 + 200, 'a slow phase counts by itself');
  assert.equal(seen(450, 0, 'text'), 200, 'a window that takes longer leaves the others');
  now = 500;
  progress.onWindow(2, null);
  assert.equal(seen(500, 1), null);
});
