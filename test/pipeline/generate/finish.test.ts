import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { miniWorld } from '../../../src/data/miniworld/index.js';
import { clipPsnr } from '../../../src/eval/quality.js';
import {
  type Frames,
  framesToTensor,
  resizeFrames,
  tensorToFrames,
} from '../../../src/media/index.js';
import { resizeHole } from '../../../src/media/mask/resize-mask.js';
import { finished } from '../../../src/pipeline/generate/finish.js';
import { conditionOf, given, TASKS } from '../../../src/tasks/index.js';
import { Generator, randn } from '../../../src/tensor/index.js';

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

  test('super-resolution of an input that is no smaller keeps what half its size shows', () => {
    const holed = given({ known: [{ frames: clip, at, hole: null }] });
    const gray = { ...clip, data: new Uint8Array(clip.data.length).fill(128) };
    const half = { width: 24, height: 16 };
    const result = finished(gray, TASKS.vsr, holed, size);
    const back = clipPsnr(resizeFrames(result, half), resizeFrames(clip, half));
    assert.ok(back > 30, `${back} dB`);
    assert.notDeepEqual(result.data, clip.data, 'what is finer is the model\u2019s');
  });

  test('a clip that goes on keeps its own frames, and the new ones have their colours', () => {
    const own = { ...clip, numFrames: 2, data: clip.data.subarray(0, 2 * 48 * 32 * 3) };
    const holed = given({ known: [{ frames: own, at: [0, 1], hole: null }] });
    const dark = { ...clip, data: clip.data.map((value) => Math.max(0, value - 12)) };
    const result = finished(dark, TASKS.vexd, holed, size);
    assert.deepEqual(result.data.subarray(0, own.data.length), own.data);
    assert.ok(clipPsnr(result, clip) > clipPsnr(dark, clip) + 8, `${clipPsnr(result, clip)} dB`);
    const raw = finished(dark, TASKS.vexd, holed, size, { keepKnown: false });
    assert.deepEqual(raw.data, dark.data);
  });

  test('known pixels are the given ones at the input’s own odd size, made at another', () => {
    const odd = { width: 101, height: 57 };
    const frames = noisy({ ...odd, numFrames: 2 });
    const before = frames.data.slice();
    const hole = new Uint8Array(2 * 57 * 101).map((_, i) => (i % 101 > 60 ? 1 : 0));
    const holed = given({ known: [{ frames, at: [0, 1], hole }] });
    const made = noisy({ width: 96, height: 64, numFrames: 2 }, 5);
    const result = finished(made, TASKS.voutp, holed, odd);
    assert.deepEqual([result.width, result.height, result.numFrames], [101, 57, 2]);
    const wrong = result.data.findIndex(
      (value, i) => !hole[Math.floor(i / 3)] && value !== before[i],
    );
    assert.equal(wrong, -1);
    assert.notDeepEqual(result.data, before);
    assert.deepEqual(frames.data, before, 'the input is not written to');
  });

  test('colours are of the result, brightness of the input to one level', () => {
    const odd = { width: 101, height: 57 };
    const gray = noisy({ ...odd, numFrames: 1 }, 3, true);
    const holed = given({ known: [{ frames: gray, at: [0], hole: null, gray: true }] });
    const { data } = finished(coloured(64, 32), TASKS.icolor, holed, odd);
    let most = 0;
    for (let i = 0; i < data.length; i += 3) {
      const luma = 0.299 * data[i]! + 0.587 * data[i + 1]! + 0.114 * data[i + 2]!;
      most = Math.max(most, Math.abs(luma - gray.data[i]!));
    }
    assert.ok(most <= 1, `${most} levels off`);
    assert.ok(data.some((value, i) => i % 3 === 0 && value !== data[i + 2]));
  });

  test('what keeps nothing, or is told to keep nothing, is only resized', () => {
    const made = noisy({ width: 48, height: 32, numFrames: 1 });
    const frames = noisy({ width: 20, height: 20, numFrames: 1 }, 9);
    const hole = new Uint8Array(400).fill(1, 200);
    const holed = given({ known: [{ frames, at: [0], hole }] });
    const to = { width: 30, height: 20 };
    const sized = resizeFrames(made, to);
    assert.deepEqual(finished(made, TASKS.iedit, holed, to), sized);
    assert.deepEqual(finished(made, TASKS.t2i, given({}), to), sized);
    for (const task of [TASKS.iinp, TASKS.icolor, TASKS.isr]) {
      assert.deepEqual(finished(made, task, holed, to, { keepKnown: false }), sized);
    }
  });

  test('a hole is resized by nearest and stays in its place', () => {
    const hole = new Uint8Array([0, 1, 0, 0]);
    const small = { width: 2, height: 2, numFrames: 1, data: new Uint8Array(12) };
    const larger = resizeHole(hole, small, { width: 4, height: 4 });
    assert.deepEqual([...larger], [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert.equal(resizeHole(hole, small, small), hole);
  });
});

/** Values that look like noise and are always the same; gray if asked for. */
function noisy(
  size: { width: number; height: number; numFrames: number },
  seed = 1,
  gray = false,
): Frames {
  const length = size.width * size.height * size.numFrames * 3;
  const place = (i: number) => (gray ? Math.floor(i / 3) : i);
  return { ...size, data: new Uint8Array(length).map((_, i) => (place(i) * 7919 * seed) % 251) };
}

/** Red on the left, blue on the right. */
function coloured(width: number, height: number): Frames {
  const data = new Uint8Array(width * height * 3).map((_, i) => {
    const left = Math.floor(i / 3) % width < width / 2;
    return i % 3 === (left ? 0 : 2) ? 180 : 60;
  });
  return { width, height, numFrames: 1, data };
}
