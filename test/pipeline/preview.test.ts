import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../../src/index.js';

test('the preview of the last step shows the colours of the picture that is then decoded', async () => {
  await using mfm = await open('models/mfm-mini', { dtype: 'float32', device: 'cpu' });
  let last: Uint8Array | null = null;
  const { data, width } = await mfm
    .generate('t2i', {
      prompt: 'a blue sphere',
      seed: 3,
      size: { width: 64, height: 64 },
      numInferenceSteps: 12,
      onPreview: ({ frames }) => {
        last = frames.data;
      },
    })
    .toFrames();
  // the mean of each square of eight pixels
  const small = new Float64Array(8 * 8 * 3);
  data.forEach((value, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    small[3 * (Math.floor(y / 8) * 8 + Math.floor(x / 8)) + (i % 3)]! += value / 64;
  });
  const squares = last!.reduce(
    (sum: number, value: number, i: number) => sum + (value - small[i]!) ** 2,
    0,
  );
  const decibels = 10 * Math.log10(255 ** 2 / (squares / small.length));
  // latents hold more than colours, and the velocity is not exact: 20 to 25 dB were measured
  assert.ok(decibels > 18, `${decibels} dB`);
});
