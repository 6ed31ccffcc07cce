import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type DepthProgress, InputError, openDepth } from '../../src/index.js';
import { readDepth, readMedia, writeImage } from '../../src/media/index.js';
import { estimateDepth, openDepthModel } from '../../src/models/depth-anything/index.js';
import { tidy } from '../../src/tensor/index.js';
import { noisy, writeFolder } from '../cli/commands/generate/generating.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';
import { ffmpeg, listing, noFfmpeg } from '../media/helpers.js';
import { saveTinyDepthModel } from '../models/depth-anything/tiny.js';
import { temporaryFolder } from '../temp-folder.js';

const root = temporaryFolder();
const at = (name: string) => `${root}/${name}`;

before(async () => {
  saveTinyDepthModel(at('model'));
  await writeImage(at('photo.png'), noisy(48, 32));
  await writeFolder(at('clip'), noisy(48, 32, 37));
});

/** What the model says of all frames at once. */
async function expected(path: string): Promise<Float32Array> {
  const frames = await readMedia(path);
  const model = openDepthModel(at('model'), { dtype: 'float32' });
  try {
    return tidy(() => estimateDepth(model, frames).toFloat32Array().slice());
  } finally {
    model.network.dispose();
  }
}

describe('openDepth', () => {
  test('estimates frame by frame what the model says of the whole clip', async () => {
    await using depth = await openDepth(at('model'), { dtype: 'float32' });
    for (const [name, numFrames] of [
      ['photo.png', 1],
      ['clip', 37],
    ] as const) {
      const got: number[] = [];
      let count = 0;
      for await (const { data, width, height, index } of depth.estimate(at(name))) {
        assert.deepEqual([width, height, index], [48, 32, count++]);
        got.push(...data);
      }
      assert.equal(count, numFrames);
      const want = await expected(at(name));
      // batches of another size add up in another order
      got.forEach((value, i) => {
        assert.ok(Math.abs(value - want[i]!) < 1e-4, `${value} is not ${want[i]}`);
      });
    }
    const { value } = await depth.estimate(readFileSync(at('photo.png'))).next();
    assert.equal(value?.width, 48);
  });

  test('saves what readDepth reads, and part of a clip if asked', async () => {
    await using depth = await openDepth(at('model'), { dtype: 'float32' });
    const progress: DepthProgress[] = [];
    const saved = await depth.save(at('clip'), at('depth.safetensors'), {
      numFrames: 20,
      start: 1 / 24,
      onProgress: (event) => progress.push(event),
    });
    assert.deepEqual([saved.path, saved.numFrames], [at('depth.safetensors'), 20]);
    assert.deepEqual(
      progress.map(({ phase, frame, frames }) => `${phase} ${frame}/${frames}`).slice(0, 3),
      ['estimate 16/20', 'estimate 20/20', 'write 1/20'],
    );
    const { data } = await readDepth(at('depth.safetensors'));
    const want = (await expected(at('clip'))).slice(48 * 32, 21 * 48 * 32);
    data.forEach((value, i) => {
      assert.ok(Math.abs(value - want[i]!) < 1e-4);
    });
  });

  test('holds a few frames of a long clip in memory', { skip: noFfmpeg }, async () => {
    const source = 'testsrc2=size=160x120:rate=25:duration=24';
    ffmpeg('-f', 'lavfi', '-i', source, '-c:v', 'ffv1', at('long.mkv'));
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    await using depth = await openDepth(at('model'));
    const live: number[] = [];
    const measure = ({ frame }: DepthProgress) => {
      if (frame % 80 !== 0) return;
      gc();
      live.push(process.memoryUsage().arrayBuffers);
    };
    const { numFrames } = await depth.save(at('long.mkv'), at('long-depth.mkv'), {
      onProgress: measure,
    });
    assert.equal(numFrames, 600);
    // all frames as floats are 46 MB, and as pixels 35 MB; what is read ahead comes and goes, so
    // the middle value of the second half is what counts
    const later = live.slice(live.length / 2).sort((a, b) => a - b);
    const growth = (later[Math.floor(later.length / 2)]! - live[0]!) / 2 ** 20;
    assert.ok(live.length >= 14 && growth < 8, `${growth} MB in ${live.length}`);
  });

  test('a pipeline stands for its depth model; one without says where to get one', async () => {
    saveTinyPipeline(at('pipeline'));
    await assert.rejects(openDepth(at('pipeline')), {
      name: InputError.name,
      message:
        /pipeline: has no depth model; fetch one with `mfm pull depth-anything\/\S+` and name it with `depthModel: '\S+'`$/,
    });
    saveTinyDepthModel(at('pipeline/depth_model'));
    await using depth = await openDepth(at('pipeline'));
    assert.equal(depth.folder, at('pipeline/depth_model'));
    saveTinyDepthModel(at('metric'), { depth_estimation_type: 'metric', max_depth: 20 });
    await assert.rejects(openDepth(at('metric')), /metric: estimates distances .*; name a model/);
  });

  test('ends by its signal or when it is disposed, and leaves nothing', async () => {
    const depth = await openDepth(at('model'));
    const files = listing(root);
    const stop = new AbortController();
    const saving = depth.save(at('clip'), at('never.safetensors'), {
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await assert.rejects(saving, { name: 'AbortError' });
    const frames = depth.estimate(at('clip'));
    await frames.next();
    await depth.dispose();
    await assert.rejects(async () => {
      for await (const _ of frames);
    }, /model: was disposed; open it again/);
    assert.deepEqual(listing(root), files);
  });
});
