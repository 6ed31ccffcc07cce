import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { Frames, Mask } from '../../../../src/media/index.js';
import { referencePlan } from '../../../../src/pipeline/generate/reference/layout.js';
import type { CropType } from '../../../../src/pipeline/generate/request.js';
import { TASKS, type Task } from '../../../../src/tasks/index.js';
import { type Tensor, tidy } from '../../../../src/tensor/index.js';

/** Stored by fixtures/make_reference_layout.py, which follows the reference with Pillow. */
interface Layout {
  task: keyof typeof TASKS;
  crop: CropType;
  asked: [width: number, height: number];
  input: [width: number, height: number];
  mask?: [width: number, height: number];
  target: [width: number, height: number];
  result?: [width: number, height: number];
  /** red, green, blue and mask at every place */
  values: { frame: number; data: string }[];
  before?: string;
  after?: string;
}
const file = new URL('fixtures/reference-layout.json', import.meta.url);
const stored = JSON.parse(readFileSync(file, 'utf8'));
const places: [x: number, y: number][] = stored.places;
const cases: Layout[] = stored.cases;

// as in the script
const CLIP_FRAMES = 10;
const MADE_FRAMES = 21;
const SECOND = [26, 44] as const;
const MASKED = ['iinp', 'ioutp', 'vinp', 'voutp'];

function clip([width, height]: readonly [number, number], numFrames: number, which = 0): Frames {
  const data = new Uint8Array(width * height * numFrames * 3);
  for (let f = 0, i = 0; f < numFrames; f++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < 3; c++, i++) {
          data[i] = x * 31 + y * 57 + c * 85 + f * 113 + which * 41 + ((x * y) % 7) * 29;
        }
      }
    }
  }
  return { width, height, numFrames, data };
}

function maskOf([width, height]: readonly [number, number], numFrames: number): Mask {
  const data = new Uint8Array(width * height * numFrames);
  for (let f = 0, i = 0; f < numFrames; f++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) data[i] = x * 5 + y * 9 + f * 37;
    }
  }
  return { path: 'mask.png', width, height, numFrames, data };
}

function planOf(layout: Layout, maskFrames?: number) {
  const task: Task = TASKS[layout.task];
  const frames = task.inputs[0] === 'video' ? CLIP_FRAMES : 1;
  const media = task.inputs.map((_, i) => clip(i === 0 ? layout.input : SECOND, frames, i));
  const mask = MASKED.includes(layout.task)
    ? maskOf(layout.mask ?? layout.input, maskFrames ?? frames)
    : null;
  const [width, height] = layout.asked;
  return referencePlan(
    task,
    { media, mask },
    {
      width,
      height,
      numFrames: MADE_FRAMES,
      defaultNumFrames: MADE_FRAMES,
      cropType: layout.crop,
      upscale: 4,
    },
    null,
  );
}

/** The values at all places of a frame of [1, C, F, H, W]. */
function sampled(tensor: Tensor, frame: number): number[][] {
  const [, channels, , height, width] = tensor.dims(5);
  const values = tensor.select(2, frame).contiguous().toFloat32Array();
  return places.map(([x, y]) => {
    const at = Math.floor(height! * y) * width! + Math.floor(width! * x);
    return Array.from({ length: channels! }, (_, c) => values[c * height! * width! + at]!);
  });
}

/** 1e-5 is float32's rounding over these sums; one level of 255 is 0.008 */
function assertNear(found: number[][], data: string, what: string): void {
  const bytes = Buffer.from(data, 'base64');
  found.flat().forEach((value, i) => {
    const wanted = bytes.readFloatLE(i * 4);
    assert.ok(Math.abs(value - wanted) < 1e-5, `${what}, value ${i}: ${value} for ${wanted}`);
  });
  assert.equal(found.flat().length * 4, bytes.length);
}

describe('referencePlan lays an input out as the reference does', () => {
  for (const task of new Set(cases.map((layout) => layout.task))) {
    test(`${task}: landscape, portrait and square, every way of cropping`, () => {
      for (const layout of cases.filter((one) => one.task === task)) {
        const { crop, asked, input, target, values } = layout;
        const name = `${task} ${input.join('x')} in ${asked.join('x')}, ${crop}`;
        tidy(() => {
          const plan = planOf(layout);
          assert.deepEqual([plan.target.width, plan.target.height], target, name);
          const { resultSize } = plan;
          const result = resultSize && [resultSize.width, resultSize.height];
          assert.deepEqual(result, layout.result ?? null, name);
          for (const { frame, data } of values) {
            const pixels = sampled(plan.condition.pixels, frame);
            const mask = sampled(plan.condition.mask, frame);
            const both = pixels.map((colour, i) => [...colour, ...mask[i]!]);
            assertNear(both, data, `${name}, frame ${frame}`);
          }
          for (const [part, data, at] of [
            [plan.before, layout.before, 0],
            [plan.after, layout.after, -1],
          ] as const) {
            assert.equal(part !== null, data !== undefined, name);
            if (part) assertNear(sampled(part, at), data!, `${name}, ${at ? 'after' : 'before'}`);
          }
        });
      }
    });
  }

  test('one frame of a mask holds for a whole clip; too few are refused', () => {
    const layout = cases.find(({ task, mask }) => task === 'vinp' && mask)!;
    tidy(() => {
      const { mask } = planOf(layout, 1).condition;
      assert.deepEqual(sampled(mask, 4), sampled(mask, 0));
    });
    assert.throws(() => planOf(layout, 3), /^InputError: mask.png: .*one frame or .*9.*got 3/);
  });
});
