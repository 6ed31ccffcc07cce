import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { miniWorld } from '../../src/data/miniworld/index.js';
import { clipPsnr } from '../../src/eval/quality.js';
import {
  type Frames,
  framesToTensor,
  resizeFrames,
  tensorToFrames,
} from '../../src/media/index.js';
import { finished } from '../../src/pipeline/finish.js';
import { conditionOf, given, TASKS } from '../../src/tasks/index.js';
import { Generator, randn } from '../../src/tensor/index.js';

const size = { width: 48, height: 32, numFrames: 5 };
const clip: Frames = { ...size, data: miniWorld(3, size).frames };
const at = [0, 1, 2, 3, 4];

describe('finished', () => {
  test('inpainting keeps every known pixel and takes the hole from the result', () => {
    const hole = new Uint8Array(5 * 32 * 48).map((_, i) => (i % 48 < 20 ? 1 : 0));
    const holed = given({ known: [{ frames: clip, at, hole }] });
    const made = { ...clip, data: new Uint8Array(clip.data.length).fill(128) };
    const { data } = finished(made, TASKS.vinp, holed, size);
    data.forEach((value, i) => {
      if (!hole[Math.floor(i / 3)]) assert.equal(value, clip.data[i]);
    });
    // at the seam it goes on from what is known, far from it is as it was made
    const column = (x: number) => data.filter((_, i) => Math.floor(i / 3) % 48 === x);
    assert.ok(column(4).every((value) => value === 128));
    assert.ok(column(19).some((value) => value !== 128));
    const raw = finished(made, TASKS.vinp, holed, size, { keepKnown: false });
    assert.ok(raw.data.every((value) => value === 128));
  });

  test('super-resolution keeps what the small clip shows, whatever the model drifted to', () => {
    const small = resizeFrames(clip, { width: 24, height: 16 });
    const holed = given({ known: [{ frames: small, at, hole: null }] });
    const condition = conditionOf(holed, size);
    const noise = randn([1, 3, 5, 32, 48], { generator: new Generator(1) }).mul(0.02);
    const drifted = framesToTensor(clip).mul(0.8).add(0.1).add(noise);
    const result = finished(tensorToFrames(drifted), TASKS.vsr, holed, size);
    const back = clipPsnr(resizeFrames(result, small), small);
    assert.ok(back > 40, `made smaller again: ${back} dB of the given clip`);
    const made = clipPsnr(result, clip);
    assert.ok(made > clipPsnr(tensorToFrames(drifted), clip) + 5, `${made} dB`);
    assert.ok(made > clipPsnr(tensorToFrames(condition.pixels), clip), `${made} dB`);
  });

  test('super-resolution leaves a result that is no larger than its input as it is', () => {
    const holed = given({ known: [{ frames: clip, at, hole: null }] });
    const made = { ...clip, data: new Uint8Array(clip.data.length).fill(128) };
    const { data } = finished(made, TASKS.vsr, holed, size);
    assert.ok(data.every((value) => value === 128));
  });
});
