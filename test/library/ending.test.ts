import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { open } from '../../src/index.js';
import { native } from '../../src/tensor/native.js';
import { openWorkplace } from './workplace.js';

const { at, mfm } = openWorkplace('ending');
const request = { prompt: 'a red cube', seed: 7, numFrames: 12 };

describe('a signal', () => {
  test('ends a result within a step, leaves no tensors and no file', async () => {
    await mfm().generate('t2v', request).toFrames(); // weights are converted at first use
    const live = native.liveTensors();
    const controller = new AbortController();
    let steps = 0;
    const clip = mfm().generate('t2v', {
      ...request,
      numInferenceSteps: 50,
      signal: controller.signal,
      onProgress: ({ phase, step }) => {
        if (phase === 'steps') steps = step;
        if (step === 2) controller.abort(new Error('enough'));
      },
    });
    await assert.rejects(clip.save(at('out/ended.gif')), (error: Error & { code: string }) => {
      assert.deepEqual([error.name, error.code], ['AbortError', 'ABORT_ERR']);
      assert.equal((error.cause as Error).message, 'enough');
      return true;
    });
    assert.ok(steps <= 3, `after ${steps} steps`);
    assert.equal(native.liveTensors(), live);
    assert.deepEqual(readdirSync(at('out')), []);
    await assert.rejects(clip.toFrames(), { name: 'AbortError' });
    assert.equal((await mfm().generate('t2v', request).toFrames()).numFrames, 12, 'others go on');
  });

  test('that has aborted before ends everything', async () => {
    const signal = AbortSignal.abort();
    await assert.rejects(open(at('tiny'), { signal }), { name: 'AbortError' });
    await assert.rejects(
      mfm()
        .generate('t2v', { ...request, signal })
        .toFrames(),
      {
        name: 'AbortError',
      },
    );
  });

  test('that times out names that as its cause', async () => {
    const signal = AbortSignal.timeout(1);
    const clip = mfm().generate('t2v', { ...request, numInferenceSteps: 500, signal });
    await assert.rejects(clip.toFrames(), (error: Error) => {
      assert.equal(error.name, 'AbortError');
      assert.equal((error.cause as Error).name, 'TimeoutError');
      return true;
    });
  });
});

describe('disposing', () => {
  test('ends results that are made, and refuses others', async () => {
    const own = await open(at('tiny'), { dtype: 'float32', device: 'cpu' });
    let dispose: Promise<void> | null = null;
    const clip = own.generate('t2v', {
      ...request,
      numInferenceSteps: 500,
      onProgress: ({ phase, step }) => {
        if (phase === 'steps' && step === 1) dispose ??= own.dispose();
      },
    });
    const lazy = own.generate('t2i', { prompt: 'a' });
    const disposed = { name: 'DisposedError', code: 'ERR_DISPOSED' };
    await assert.rejects(clip.toFrames(), disposed);
    await dispose;
    await assert.rejects(lazy.toFrames(), disposed);
    assert.throws(() => own.generate('t2i', { prompt: 'a' }), disposed);
    await assert.rejects(own.plan('t2i', { prompt: 'a' }), disposed);
    await own.dispose(); // again, which does nothing
  });

  test('frees what was taken, also of results that were left in the middle', async () => {
    const live = native.liveTensors();
    {
      await using own = await open(at('tiny'), { dtype: 'float32', device: 'cpu' });
      const clip = own.generate('t2v', request);
      for await (const { index } of clip.frames) if (index === 2) break;
      await own.generate('vcolor', { input: at('clip'), seed: 1, window: 5 }).plan();
      const reference = { cropType: 'keep_ratio' } as const;
      await own.plan('iinp', { input: at('photo.png'), mask: at('mask.png'), compat: reference });
    }
    assert.equal(native.liveTensors(), live);
  });

  test('a result that is disposed alone makes no more', async () => {
    const clip = mfm().generate('t2v', request);
    for await (const _ of clip.frames) break;
    await clip[Symbol.asyncDispose]();
    await assert.rejects(clip.toFrames(), {
      name: 'DisposedError',
      message: /closed before it was finished/,
    });
  });
});

test('results asked for at the same time are those that come one after the other', async () => {
  const requests = [1, 2, 3].map((seed) => ({ ...request, seed }));
  const alone: Uint8Array[] = [];
  for (const one of requests) alone.push((await mfm().generate('t2v', one).toFrames()).data);
  const together = await Promise.all(
    requests.map(async (one) => (await mfm().generate('t2v', one).toFrames()).data),
  );
  assert.deepEqual(together, alone);
  assert.notDeepEqual(alone[0], alone[1]);
});

test('nothing is written to the terminal, and no signal is listened for', async () => {
  const said: unknown[] = [];
  const streams = [process.stdout, process.stderr];
  const writes = streams.map(({ write }) => write);
  const listeners = () =>
    ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name));
  const before = listeners();
  streams.forEach((stream, i) => {
    stream.write = ((data: unknown, ...rest: never[]) => {
      // the test runner's own reports are bytes
      if (typeof data !== 'string') return writes[i]!.call(stream, data as never, ...rest);
      said.push(data);
      return true;
    }) as never;
  });
  try {
    await using own = await open(at('tiny'));
    const size = { width: 40, height: 40 };
    await own.generate('t2i', { prompt: 'a', size }).save(at('out/quiet.png'));
    await own.generate('vcolor', { input: at('clip') }).toFrames();
    await assert.rejects(own.generate('t2i', { prompt: '' }).toFrames());
    assert.deepEqual(listeners(), before);
  } finally {
    streams.forEach((stream, i) => {
      stream.write = writes[i]!;
    });
  }
  assert.deepEqual(said, []);
});
