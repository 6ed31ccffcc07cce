import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatDuration, formatRate, Progress } from '../../../src/cli/terminal/progress.js';

/** A progress line on a clock that the test turns. */
function onClock(isTTY: boolean) {
  const clock = { ms: 0 };
  const written: string[] = [];
  const stream = { isTTY, columns: 60, write: (text: string) => written.push(text) };
  const progress = new Progress({
    label: 'sampling',
    total: 50,
    stream,
    now: () => clock.ms,
  });
  return { clock, written, progress };
}

describe('Progress', () => {
  test('stays silent for a job shorter than two seconds', () => {
    const { clock, written, progress } = onClock(true);
    for (let done = 1; done <= 50; done++) {
      clock.ms += 30;
      progress.update(done);
    }
    progress.end();
    assert.deepEqual(written, []);
  });

  test('tells rate and time left', () => {
    const { clock, written, progress } = onClock(false);
    for (let done = 1; done <= 10; done++) {
      clock.ms += 500;
      progress.update(done, 'loss 0.21');
    }
    assert.equal(written[0], 'sampling  4/50 steps  2.0 steps/s  23 s left  loss 0.21\n');
    // without a terminal a line every five seconds, so no second one yet
    assert.equal(written.length, 1);
  });

  test('rewrites its line on a terminal and removes it at the end', () => {
    const { clock, written, progress } = onClock(true);
    clock.ms = 3000;
    progress.update(5, 'x'.repeat(100));
    progress.end('done');
    progress.end('again');
    assert.ok(written[0]!.startsWith('\r\x1b[2Ksampling'));
    assert.ok(written[0]!.length <= 59 + '\r\x1b[2K'.length);
    assert.deepEqual(written.slice(1), ['\r\x1b[2K', 'done\n']);
  });

  test('counts bytes in the unit of the total', () => {
    const written: string[] = [];
    const clock = { ms: 0 };
    const progress = new Progress({
      label: 'downloading',
      unit: 'bytes',
      total: 4.2e9,
      stream: { write: (text: string) => written.push(text) },
      now: () => clock.ms,
    });
    for (clock.ms = 500; clock.ms <= 2000; clock.ms += 500) progress.update(1e9 + 2e4 * clock.ms);
    assert.equal(written[0], 'downloading  1.04/4.20 GB  20.0 MB/s  2 min 38 s left\n');
  });

  test('gives no rate and no time left before steps have told what they take', () => {
    const { clock, written, progress } = onClock(false);
    // the first one loads and compiles, the next ones are of very different sizes
    for (const ms of [9000, 6000, 60]) {
      clock.ms += ms;
      progress.update(written.length + 1);
    }
    assert.deepEqual(written, ['sampling  1/50 steps\n', 'sampling  2/50 steps\n']);
  });

  test('shows steps as they were made, and the share of the time, where that is what ends it', () => {
    const { clock, written, progress } = onClock(false);
    for (let done = 1; done <= 30; done++) {
      clock.ms += 500;
      progress.update(done, 'loss 0.21', { seconds: 60, share: clock.ms / 60_000 });
    }
    assert.equal(
      written.at(-1),
      'sampling  24 steps  2.0 steps/s  20% of 1 min 00 s  48 s left  loss 0.21\n',
    );
  });

  test('adds a line to a log every minute at most, once it is long', () => {
    const { clock, written, progress } = onClock(false);
    for (clock.ms = 0; clock.ms < 5 * 3_600_000; clock.ms += 1000) progress.update(1);
    // every 5 seconds for four minutes, then more and more seldom
    assert.ok(written.length > 300 && written.length < 480, String(written.length));
  });

  test('forgets a slow start', () => {
    const { clock, written, progress } = onClock(false);
    clock.ms = 60_000; // compiling, loading
    progress.update(1);
    for (let done = 2; done <= 50; done++) {
      clock.ms += 1000;
      progress.update(done);
    }
    assert.match(written.at(-1)!, /1\.0 steps\/s/);
  });

  test('counts pauses by their share of the time, before and after one', () => {
    const total = 7200;
    const clock = { ms: 0 };
    const written: string[] = [];
    const stream = { isTTY: false, write: (text: string) => written.push(text) };
    const progress = new Progress({ label: 'toy', total, stream, now: () => clock.ms });
    for (let done = 1; done < total; done++) {
      clock.ms += 1000;
      if (done % 600 === 0) clock.ms += 60_000; // a sheet of samples
      progress.update(done);
      const left = /(?:(\d+) h )?(\d+) min (?:\d+ s )?left/.exec(written.at(-1) ?? '');
      if (done < 600 || !left) continue;
      const told = 60 * Number(left[1] ?? 0) + Number(left[2]);
      const minutes = ((total - done) * 1.1) / 60;
      assert.ok(Math.abs(told - minutes) < 0.25 * minutes + 2, `${done}: ${written.at(-1)}`);
    }
  });

  test('begins anew where the count goes back', () => {
    const { clock, written, progress } = onClock(false);
    for (const done of [10, 20, 30, 40, 5, 6, 7, 8]) {
      clock.ms += 6000;
      progress.update(done);
    }
    assert.match(written.at(-1)!, /8\/50 steps {2}6\.0 s per step {2}4 min 12 s left/);
  });
});

test('durations and rates read well at every scale', () => {
  assert.equal(formatDuration(17.2), '17 s');
  assert.equal(formatDuration(250), '4 min 10 s');
  assert.equal(formatDuration(7500), '2 h 05 min');
  assert.equal(formatRate(0.31, 'steps'), '3.2 s per step');
  assert.equal(formatRate(27.4, 'clips'), '27 clips/s');
});
