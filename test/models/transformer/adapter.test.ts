import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConditionAdapter } from '../../../src/models/transformer/adapter.js';
import {
  Generator,
  manualSeed,
  memoryInfo,
  noGrad,
  randn,
  resetPeakMemory,
  tidy,
} from '../../../src/tensor/index.js';
import { maxDifference } from './tiny.js';

const [HEIGHT, WIDTH] = [32, 48];

test('a few frames at a time give what all at once do, for any number of frames', () => {
  manualSeed(0);
  const adapter = new ConditionAdapter(5, 6, [2, 3, 4, 4, 5]);
  for (const numFrames of [1, 2, 5, 8, 17]) {
    const clip = randn([2, 5, numFrames, HEIGHT, WIDTH], { generator: new Generator(1) });
    noGrad(() => {
      const whole = adapter.forward(clip);
      assert.equal(whole.size(2), Math.ceil(numFrames / 4));
      for (const frames of [1, 2, 3]) {
        const parts = adapter.forward(clip, frames * 4 * HEIGHT * WIDTH);
        assert.ok(maxDifference(whole, parts) < 1e-6, `${numFrames} frames, ${frames} at a time`);
      }
    });
  }
});

test('a longer clip takes only the memory of its own smaller stages', () => {
  manualSeed(0);
  const adapter = new ConditionAdapter(5, 6, [16, 4, 4, 4, 4]);
  const peak = (numFrames: number) => {
    const clip = randn([1, 5, numFrames, HEIGHT, WIDTH]);
    const before = memoryInfo().usedBytes;
    resetPeakMemory();
    noGrad(() => tidy(() => void adapter.forward(clip, 4 * HEIGHT * WIDTH)));
    return memoryInfo().peakBytes - before;
  };
  peak(9);
  const [short, long] = [peak(9), peak(65)];
  // the pictures alone, at 16 channels, would take this much more
  const pictures = 16 * 4 * (65 - 9) * HEIGHT * WIDTH;
  assert.ok(long - short < pictures, `${long - short} bytes more of ${pictures}`);
});
