import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import type { DepthMap, Frames } from '../../src/media/index.js';
import {
  conditionOf,
  REFERENCE_DEPTH_TASKS,
  TASKS,
  type Task,
  withDepth,
} from '../../src/tasks/index.js';
import { fromArray, type Tensor } from '../../src/tensor/index.js';

const size = { width: 32, height: 16 };
const plane = size.width * size.height;

/** Frame i has the value `first + i` all over. */
const clip = (numFrames: number, first = 0): Frames => ({
  ...size,
  numFrames,
  data: Uint8Array.from(
    { length: numFrames * plane * 3 },
    (_, i) => first + Math.floor(i / (plane * 3)),
  ),
});

/** What a depth model would say of a clip. */
const depthOf = ({ numFrames, data }: Frames): DepthMap => ({
  ...size,
  numFrames,
  path: 'depth.mp4',
  data: Float32Array.from({ length: numFrames * plane }, (_, i) => data[i * 3]! / 2),
});
const estimate = (frames: Frames): Tensor =>
  fromArray(depthOf(frames).data, [frames.numFrames, size.height, size.width]);

const fromInput = (task: Task, media: Frames[]) =>
  task.fromInput({ media: media as never, mask: null }, 21);

describe('given depth', () => {
  const [a, b] = [clip(12), clip(11, 100)];
  const cases: [Task, Frames[]][] = [
    [TASKS.i2v, [clip(1, 9)]],
    [TASKS.vexd, [a]],
    [TASKS.itrans, [clip(1, 9), clip(1, 90)]],
    [TASKS.vtrans, [a, b]],
  ];
  for (const [task, media] of cases) {
    test(`of all frames or of the known ones is that of a model: ${task.id}`, () => {
      const given = fromInput(task, media);
      const want = conditionOf(given, { ...size, numFrames: 21 }, { estimate });
      const known = given.known.map(({ frames }) => depthOf(frames));
      for (const maps of [media.map(depthOf), known]) {
        const laid = withDepth(task, given, media, maps);
        const got = conditionOf(laid, { ...size, numFrames: 21 });
        assert.deepEqual(got.depth.toFloat32Array(), want.depth.toFloat32Array());
      }
      assert.ok(want.depth.abs().amax().item() > 0);
    });
  }

  test('goes before what a model tells', () => {
    const media = [clip(1, 9)];
    const laid = withDepth(TASKS.i2v, fromInput(TASKS.i2v, media), media, [depthOf(clip(1, 50))]);
    const { depth } = conditionOf(laid, { ...size, numFrames: 21 }, { estimate });
    assert.equal(depth.amax().item(), 25);
  });

  test('is refused where it does not fit', () => {
    const refuses = (task: Task, media: Frames[], lengths: number[], message: RegExp) =>
      assert.throws(
        () =>
          withDepth(
            task,
            fromInput(task, media),
            media,
            lengths.map((n) => depthOf(clip(n))),
            REFERENCE_DEPTH_TASKS,
          ),
        { name: InputError.name, message },
      );
    refuses(TASKS.t2v, [], [1], /^t2v: takes no depth; leave out `depth`/);
    refuses(TASKS.vsr, [clip(21)], [21], /^vsr: takes no depth/);
    refuses(
      TASKS.i2v,
      [clip(1)],
      [1, 1],
      /^i2v: needs one depth map, got 2; give `depth: \[FILE\]`$/,
    );
    refuses(TASKS.itrans, [clip(1), clip(1)], [2], /^itrans: needs 2 depth maps, one for each/);
    refuses(TASKS.i2v, [clip(1)], [3], /^depth\.mp4: .*known: 1 as its input, got 3; cut it/);
    refuses(TASKS.vexd, [a], [9], /: 8, one for each known frame, or 12 as its input, got 9/);
  });
});
