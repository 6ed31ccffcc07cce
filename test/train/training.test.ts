import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { TrainEvent } from '../../src/train/train-event.js';
import { Training, type TrainingHooks, type TrainOutcome } from '../../src/train/training.js';

const DONE: TrainOutcome = { finished: true, run: 'runs/a', pipeline: 'runs/a/pipeline' };
const STOPPED: TrainOutcome = { finished: false, run: 'runs/a', pipeline: null };

const note = (text: string): TrainEvent => ({ type: 'note', text });
const progress = (done: number): TrainEvent => ({
  type: 'progress',
  label: 'a',
  done,
  total: 9,
  note: '',
});

/** Steps until the signal aborts. */
async function untilStopped({ signal, emit, opened }: TrainingHooks): Promise<TrainOutcome> {
  opened('runs/a');
  for (let step = 1; !signal.aborted; step++) {
    emit(note(`step ${step}`));
    await setImmediate();
  }
  await setImmediate(); // it takes a while to save
  return STOPPED;
}

describe('a training', () => {
  test('begins without being awaited, and says all to who iterates from the start', async () => {
    const seen: TrainEvent[] = [];
    const heard: TrainEvent[] = [];
    const training = new Training(
      async ({ emit, opened }) => {
        emit(note('first'));
        opened('runs/a');
        await setImmediate();
        emit(note('last'));
        return DONE;
      },
      { onEvent: (event) => heard.push(event) },
    );
    assert.equal(heard.length, 0);
    for await (const event of training) seen.push(event);
    assert.deepEqual(seen, [note('first'), note('last')]);
    assert.deepEqual(heard, seen);
    assert.deepEqual(await training, DONE);
    assert.equal(await training.opened, 'runs/a');
    await assert.rejects(async () => {
      for await (const _ of training) assert.fail('a second time');
    }, /its events can be iterated over only once/);
  });

  test('keeps but the newest progress for a slow reader', async () => {
    const training = new Training(async ({ emit }) => {
      for (const event of [progress(1), progress(2), note('a'), progress(3)]) emit(event);
      return DONE;
    });
    const seen: TrainEvent[] = [];
    for await (const event of training) seen.push(event);
    assert.deepEqual(seen, [progress(2), note('a'), progress(3)]);
  });

  test('is stopped by leaving the loop, which waits for its end', async () => {
    const training = new Training(untilStopped);
    let ended = false;
    void training.then(() => {
      ended = true;
    });
    for await (const event of training) {
      if (event.type === 'note' && event.text === 'step 3') break;
    }
    assert.ok(ended);
    assert.deepEqual(await training, STOPPED);
  });

  test('is stopped by a signal of any kind, also one that has aborted before', async () => {
    for (const signal of [AbortSignal.timeout(5), AbortSignal.abort('because')]) {
      let reason: unknown;
      const training = new Training(
        async (hooks) => {
          const outcome = await untilStopped(hooks);
          reason = hooks.signal.reason;
          return outcome;
        },
        { signal },
      );
      assert.deepEqual(await training, STOPPED);
      // what awaits the signal elsewhere throws this, which counts as a stop
      assert.equal((reason as Error).name, 'AbortError');
    }
  });

  test('throws what fails in the loop, after the events before, and to who awaits it', async () => {
    const failing = () =>
      new Training(async ({ emit }) => {
        emit(note('before'));
        throw new Error('no data');
      });
    const seen: TrainEvent[] = [];
    await assert.rejects(async () => {
      for await (const event of failing()) seen.push(event);
    }, /no data/);
    assert.deepEqual(seen, [note('before')]);
    await assert.rejects(Promise.resolve(failing()), /no data/);
  });
});
