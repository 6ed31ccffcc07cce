import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { InputError } from '../../../src/errors.js';
import { nextFitting } from '../../../src/models/latent-grid.js';
import { fitSizes, windowFrames } from '../../../src/pipeline/generate/fitting.js';
import { Fitting } from '../../../src/pipeline/generate/notes.js';
import type { UserRequest } from '../../../src/pipeline/generate/request.js';
import { PipelineSettings, settingsFor } from '../../../src/pipeline/settings.js';
import { TASKS, type Task } from '../../../src/tasks/index.js';

const settings = settingsFor(
  PipelineSettings.parse({ width: 64, height: 64, numFrames: 17 }),
  TASKS.vsr,
);
const request = (parts: Partial<UserRequest> = {}): UserRequest => ({
  prompt: 'a',
  inputs: ['in.png'],
  ...parts,
});

/** What is made of an input of this size, and what is said of it. */
function sizesOf(
  task: Task,
  [width, height]: [number, number],
  parts: Partial<UserRequest> = {},
  strict = false,
) {
  const notes: string[] = [];
  const fitting = new Fitting(strict, (note) => notes.push(note));
  const sizes = fitSizes(
    task,
    request(parts),
    { path: 'in.png', width, height },
    settings,
    fitting,
  );
  const words = ({ width, height }: { width: number; height: number }) => `${width}x${height}`;
  return {
    made: words(sizes.made),
    result: words(sizes.result),
    tile: sizes.tile && words(sizes.tile),
    notes,
  };
}

describe('fitSizes', () => {
  test('takes one of a size and a factor', () => {
    assert.throws(
      () => sizesOf(TASKS.isr, [32, 32], { upscale: 4, size: { width: 64, height: 64 } }),
      /`upscale`: `size` says how large the result is; leave one of them out/,
    );
  });

  test('the size follows from the task, the input and what is asked for', () => {
    const cases: [Task, [number, number], Partial<UserRequest>, string, string, string | null][] = [
      [TASKS.t2i, [999, 10], {}, '64x64', '64x64', null],
      [TASKS.i2v, [200, 100], {}, '96x48', '96x48', null],
      [TASKS.iinp, [101, 57], {}, '96x64', '101x57', null],
      [TASKS.iinp, [640, 480], {}, '144x112', '640x480', null],
      [TASKS.icolor, [640, 480], {}, '80x48', '640x480', null],
      [TASKS.isr, [32, 32], {}, '64x64', '64x64', null],
      [TASKS.isr, [40, 30], {}, '80x64', '80x60', null],
      [TASKS.isr, [40, 30], { upscale: 4 }, '160x128', '160x120', '64x64'],
      [TASKS.isr, [40, 30], { upscale: 4, tile: null }, '160x128', '160x120', null],
      [TASKS.isr, [48, 16], { tile: { width: 32, height: 32 } }, '96x32', '96x32', '32x32'],
      [TASKS.isr, [8, 2000], {}, '16x4000', '16x4000', '16x64'],
      [TASKS.isr, [1, 1], {}, '16x16', '2x2', null],
      [TASKS.vsr, [32, 32], { upscale: 1.5 }, '48x48', '48x48', null],
      [TASKS.vinp, [64, 64], { size: { width: 100, height: 64 } }, '96x64', '100x64', null],
    ];
    for (const [task, size, parts, made, result, tile] of cases) {
      const got = sizesOf(task, size, parts);
      assert.deepEqual(
        [got.made, got.result, got.tile],
        [made, result, tile],
        `${task.id} ${size}`,
      );
    }
  });

  test('what is fitted is said, and refused with strict', () => {
    const cases: [Task, [number, number], Partial<UserRequest>, RegExp][] = [
      [TASKS.i2v, [200, 100], {}, /^in\.png: 200x100 becomes 96x48 \(the pipeline's area/],
      [TASKS.iinp, [101, 57], {}, /^in\.png: 101x57 is made at 96x64 and brought back/],
      [TASKS.iinp, [640, 480], {}, /^in\.png: 640x480 is made at 144x112, nearer the 64x64 that/],
      [TASKS.vinp, [64, 64], { size: { width: 9, height: 64 } }, /^`size`: 9x64 is made at 16x64/],
    ];
    for (const [task, size, parts, message] of cases) {
      assert.match(sizesOf(task, size, parts).notes.join('\n'), message);
      assert.throws(
        () => sizesOf(task, size, parts, true),
        ({ message: said }: InputError) =>
          message.test(said) && said.endsWith('; `strict` refuses to fit anything'),
      );
    }
    assert.deepEqual(sizesOf(TASKS.iinp, [64, 48], {}, true).notes, []);
    // tiles fit nothing, they are a way to make it
    assert.match(sizesOf(TASKS.isr, [64, 64], {}, true).notes.join(), /in tiles of 64x64/);
  });

  test('a result that nothing can hold is refused, whichever option asks for it', () => {
    const size = { width: 64, height: 100_000 };
    for (const [task, parts, side] of [
      [TASKS.t2i, { size }, '64x100000'],
      [TASKS.isr, { upscale: 1000 }, '64000x32000'],
      [TASKS.ioutp, {}, '70000x32'],
    ] as const) {
      assert.throws(
        () => sizesOf(task, task.id === 'ioutp' ? [70_000, 32] : [64, 32], parts),
        ({ message }: InputError) => message.includes(`would be ${side}, and 16384 is the longest`),
      );
    }
  });
});

describe('windowFrames', () => {
  const frames = (wanted: number, parts: Partial<UserRequest> = {}, least = 1, strict = false) =>
    windowFrames(request(parts), wanted, settings, new Fitting(strict, () => {}), least);

  test('as many as trained, or the fewest that hold the result', () => {
    assert.deepEqual(
      [1, 2, 5, 6, 16, 17, 18, 400].map((wanted) => frames(wanted)),
      [1, 5, 5, 9, 17, 17, 17, 17],
    );
    assert.equal(frames(400, { window: 33 }), 33);
    assert.equal(frames(30, {}, 21), 21);
    assert.equal(nextFitting(1), 1);
  });

  test('a window that cannot be is named', () => {
    assert.throws(() => frames(30, { window: 6 }), /^InputError: `window`: must be 4k \+ 1/);
    assert.throws(() => frames(30, { window: 5 }, 9), /`window`: must be at least 9 for this task/);
    assert.throws(() => frames(6, {}, 1, true), /6 frames: 9 are made and 6 of them kept.*strict/);
    assert.equal(frames(9, {}, 1, true), 9);
  });
});
