import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RandomStream } from '../../src/data/random.js';
import type { Sample } from '../../src/data/sources/sample.js';
import { InputError } from '../../src/errors.js';
import {
  type Frames,
  framesToTensor,
  type Mask,
  type Media,
  relativeDepth,
  sliceFrames,
} from '../../src/media/index.js';
import {
  type Condition,
  type ConditionInputs,
  conditionOf,
  drawHole,
  given,
  type Hole,
  NOTHING,
  shrink,
  TASK_IDS,
  TASKS,
  type Task,
  taggedPrompt,
  withDepth,
} from '../../src/tasks/index.js';
import type { Tensor } from '../../src/tensor/index.js';

/** A clip whose every byte differs from its neighbours'. */
function clipOf(width: number, height: number, numFrames: number): Frames {
  const data = Uint8Array.from(
    { length: width * height * numFrames * 3 },
    (_, i) => (i * 37 + (i >> 5)) % 256,
  );
  return { width, height, numFrames, data };
}

const media = (frames: Frames): Media => ({
  ...frames,
  path: 'clip.mp4',
  kind: frames.numFrames === 1 ? 'image' : 'video',
  fps: 8,
  alpha: null,
  notes: [],
});

const mask = (frames: Frames, data: Hole): Mask => {
  const { width, height } = frames;
  const numFrames = data.length / (width * height);
  return { path: 'mask.png', width, height, numFrames, data: Uint8Array.from(data) };
};

const sampleOf = (frames: Frames): Sample => ({
  clip: frames,
  caption: 'a red cube moves left',
  depth: relativeDepth(
    Float32Array.from({ length: frames.data.length / 3 }, (_, i) => 3 + (i % 17)),
    frames,
  ),
  edit: {
    source: { ...frames, data: frames.data.map((v) => 255 - v) },
    sourceDepth: relativeDepth(
      Float32Array.from({ length: frames.data.length / 3 }, (_, i) => 9 - (i % 13) / 2),
      frames,
    ),
    instruction: 'invert it',
  },
});

const values = (x: Tensor) => [...x.toFloat32Array()];
const same = (a: Condition, b: Condition) => {
  for (const part of ['pixels', 'depth', 'mask'] as const) {
    assert.deepEqual(a[part].shape, b[part].shape);
    assert.deepEqual(values(a[part]), values(b[part]), part);
  }
};

const clip = clipOf(32, 16, 5);
/** Long enough for a joint at both ends. */
const long = clipOf(32, 16, 21);

describe('a condition from a training clip equals that from what a user gives', () => {
  const stream = () => new RandomStream(3, 'test');
  /** What a user would have brought to be given the same. */
  const inputOf = ({ known }: ConditionInputs): { media: Media[]; mask: Mask | null } => {
    const hole = known[0]?.hole;
    return {
      media: known.map(({ frames }) => media(frames)),
      mask: hole ? mask(known[0]!.frames, hole) : null,
    };
  };
  for (const task of Object.values<Task>(TASKS).filter(
    ({ needs, placed }) => !needs.depth && !placed,
  )) {
    test(task.id, () => {
      const whole = task.result === 'image' ? sliceFrames(long, 0, 1) : long;
      const trained = task.fromSample(sampleOf(whole), stream());
      const input = inputOf(trained);
      const used = task.fromInput(input, whole.numFrames);
      const depths = trained.known.map(({ depth }) => depth!);
      const withOwn = withDepth(task, used, input.media, depths);
      for (const scale of ['raw', 'clip'] as const) {
        const condition = conditionOf(trained, whole, { scale });
        same(condition, conditionOf(withOwn, whole, { scale }));
        if (depths.length > 0) assert.ok(condition.depth.amax().item() > 0, 'has depth');
      }
      same(conditionOf(trained, whole, { known: false }), conditionOf(used, whole));
    });
  }

  for (const task of [TASKS.d2v, TASKS.mtrans] as const) {
    test(`${task.id}, with and without its first frame`, () => {
      const sample = sampleOf(clip);
      const conditions = Array.from({ length: 8 }, (_, seed) => {
        const trained = task.fromSample(sample, new RandomStream(seed, 'test'));
        const look = trained.known.map(({ frames }) => media(frames));
        const used =
          task.id === 'd2v'
            ? task.fromInput({ media: look, mask: null, depth: sample.depth! }, clip.numFrames)
            : withDepth(
                task,
                task.fromInput({ media: [media(clip), ...look], mask: null }, clip.numFrames),
                [clip],
                [sample.depth!],
              );
        same(conditionOf(trained, clip), conditionOf(used, clip));
        return conditionOf(used, clip);
      });
      const known = conditions.map(({ mask: m }) => m.sum().item());
      assert.deepEqual(new Set(known), new Set([0, 32 * 16]));
      for (const { pixels, depth } of conditions) {
        assert.equal(pixels.narrow(2, 1, 4).abs().sum().item(), 0, 'only the first is seen');
        assert.ok(depth.select(2, 4).abs().sum().item() > 0);
      }
    });
  }

  test('a longer clip and mask are cut to the result; one mask frame holds for all', () => {
    const long = clipOf(32, 16, 7);
    const plane = 32 * 16;
    const hole = new Uint8Array(plane).fill(1, 0, 100);
    const moving = new Uint8Array(plane * 7);
    for (let frame = 0; frame < 7; frame++) moving.set(hole, frame * plane);
    const target = { ...long, numFrames: 5 };
    const still = TASKS.vinp.fromInput({ media: [media(long)], mask: mask(long, hole) }, 5);
    const moved = TASKS.vinp.fromInput({ media: [media(long)], mask: mask(long, moving) }, 5);
    same(conditionOf(still, target), conditionOf(moved, target));
    const five = { ...long, numFrames: 5, data: long.data.subarray(0, plane * 5 * 3) };
    const whole = framesToTensor(five).toFloat32Array();
    const { pixels } = conditionOf(still, target);
    assert.equal(pixels.toFloat32Array()[200], whole[200]);
  });
});

describe('conditionOf', () => {
  test('knows nothing without frames', () => {
    const { pixels, depth, mask: known } = conditionOf(NOTHING, clip);
    assert.deepEqual(pixels.shape, [1, 3, 5, 16, 32]);
    assert.deepEqual(known.shape, [1, 1, 5, 16, 32]);
    for (const part of [pixels, depth, known]) assert.equal(part.abs().sum().item(), 0);
  });

  test('i2v: the first frame is known, the rest is zero', () => {
    const { pixels, mask: known } = conditionOf(TASKS.i2v.fromSample(sampleOf(clip)), clip);
    const whole = framesToTensor(clip);
    assert.deepEqual(values(pixels.narrow(2, 0, 1)), values(whole.narrow(2, 0, 1)));
    assert.equal(pixels.narrow(2, 1, 4).abs().sum().item(), 0);
    assert.deepEqual(values(known.mean([0, 1, 3, 4])), [1, 0, 0, 0, 0]);
  });

  test('vsr: everything is known, at the size of the result', () => {
    const random = new RandomStream(0, 'vsr');
    const { pixels, mask: known } = conditionOf(TASKS.vsr.fromSample(sampleOf(clip), random), clip);
    assert.equal(known.mean().item(), 1);
    // a picture made smaller and larger again is like the picture: the same mean, less detail
    const whole = framesToTensor(clip);
    assert.ok(Math.abs(pixels.mean().item() - whole.mean().item()) < 0.05);
    assert.ok(pixels.std().item() < whole.std().item());
  });

  test('vinp: mask 1 = known, and pixels are zero in the hole', () => {
    const random = new RandomStream(1, 'vinp');
    const holed = TASKS.vinp.fromSample(sampleOf(clip), random);
    const { pixels, mask: known } = conditionOf(holed, clip);
    assert.deepEqual(
      values(known),
      [...holed.known[0]!.hole!].map((made) => 1 - made),
    );
    const whole = framesToTensor(clip);
    assert.deepEqual(values(pixels), values(whole.mul(known)));
    assert.ok(known.mean().item() < 1 && known.mean().item() > 0.5);
  });

  test('a hole stays sharp when the frames are resized', () => {
    const hole = new Uint8Array(5 * 32 * 16);
    for (let i = 0; i < hole.length; i++) hole[i] = i % 32 < 16 ? 1 : 0; // the left half
    const target = { width: 48, height: 32, numFrames: 5 };
    const { pixels, mask: known } = conditionOf(
      given({ known: [{ frames: clip, at: [0, 1, 2, 3, 4], hole }] }),
      target,
    );
    assert.deepEqual(known.shape, [1, 1, 5, 32, 48]);
    assert.equal(known.narrow(4, 0, 24).sum().item(), 0);
    assert.equal(known.narrow(4, 24, 24).mean().item(), 1);
    assert.equal(pixels.narrow(4, 0, 24).abs().sum().item(), 0);
  });

  test('frames can lie anywhere on the time line, with or without a hole', () => {
    const two = { ...clip, numFrames: 2, data: clip.data.subarray(0, 2 * 32 * 16 * 3) };
    const hole = new Uint8Array(2 * 32 * 16).fill(1, 0, 32 * 16); // all of the first one
    const ends = conditionOf(given({ known: [{ frames: two, at: [0, 4], hole: null }] }), clip);
    assert.deepEqual(values(ends.mask.mean([0, 1, 3, 4])), [1, 0, 0, 0, 1]);
    const last = conditionOf(given({ known: [{ frames: two, at: [0, 4], hole }] }), clip);
    assert.deepEqual(values(last.mask.mean([0, 1, 3, 4])), [0, 0, 0, 0, 1]);
    const whole = framesToTensor(two);
    assert.deepEqual(values(last.pixels.narrow(2, 4, 1)), values(whole.narrow(2, 1, 1)));
    assert.equal(last.pixels.narrow(2, 0, 1).abs().sum().item(), 0);
  });

  test('a frame without a place within the clip is refused', () => {
    for (const at of [
      [0, 1],
      [0, 1, 2, 3, 5],
      [-1, 0, 1, 2, 3],
    ]) {
      assert.throws(
        () => conditionOf(given({ known: [{ frames: clip, at, hole: null }] }), clip),
        InputError,
      );
    }
  });
});

describe('drawHole', () => {
  const streams = Array.from({ length: 60 }, (_, seed) => new RandomStream(seed, 'hole'));
  const holes = streams.map((random) => drawHole(clipOf(48, 32, 5), random));
  const plane = 48 * 32;
  const areas = (hole: Uint8Array) =>
    [0, 1, 2, 3, 4].map(
      (f) => hole.subarray(f * plane, (f + 1) * plane).reduce((a, b) => a + b) / plane,
    );

  test('covers 1/9 to 1/4 of every frame', () => {
    for (const area of holes.flatMap(areas)) {
      // a row or column of pixels more or less at the edges
      assert.ok(area > 1 / 9 - 0.02 && area < 1 / 4 + 0.02, String(area));
    }
  });

  test('stands still in some clips and drifts in others', () => {
    const still = holes.filter((hole) => {
      const first = hole.subarray(0, plane);
      return [1, 2, 3, 4].every((f) =>
        Buffer.from(first).equals(Buffer.from(hole.subarray(f * plane, (f + 1) * plane))),
      );
    });
    assert.ok(still.length > 10 && still.length < 50, String(still.length));
  });

  test('is a box in some clips and round in others', () => {
    const box = holes.filter((hole) => {
      const rows = Array.from({ length: 32 }, (_, y) =>
        hole.subarray(y * 48, (y + 1) * 48).reduce((a, b) => a + b),
      ).filter((count) => count > 0);
      return new Set(rows).size === 1;
    });
    assert.ok(box.length > 10 && box.length < 50, String(box.length));
  });

  test('works for a single frame and follows its stream', () => {
    const one = drawHole(clipOf(16, 16, 1), new RandomStream(4, 'hole'));
    assert.equal(one.length, 256);
    assert.deepEqual(one, drawHole(clipOf(16, 16, 1), new RandomStream(4, 'hole')));
  });
});

describe('shrink', () => {
  test('makes a clip 2 to 6 times smaller and keeps its frames', () => {
    const large = clipOf(96, 60, 2);
    const widths = Array.from({ length: 40 }, (_, seed) => {
      const { width, height, numFrames } = shrink(large, new RandomStream(seed, 'shrink'));
      assert.ok(Math.abs(96 / width - 60 / height) < 0.5);
      assert.equal(numFrames, 2);
      return width;
    });
    assert.ok(Math.max(...widths) <= 48 && Math.min(...widths) >= 16);
    assert.ok(Math.max(...widths) - Math.min(...widths) > 20);
  });

  test('never makes it smaller than a pixel', () => {
    const { width, height } = shrink(clipOf(16, 2, 1), new RandomStream(0, 'shrink'));
    assert.ok(width >= 2 && height >= 1);
  });
});

describe('the table', () => {
  test('names each task by its own id, and its tag is in the prompt', () => {
    for (const id of TASK_IDS) {
      const task = TASKS[id];
      assert.equal(task.id, id);
      assert.equal(taggedPrompt('a cube', task), `a cube #task: ${task.promptTag}`);
    }
    assert.equal(taggedPrompt('', TASKS.t2i), '#task: text-to-image');
    assert.equal(new Set(TASK_IDS.map((id) => TASKS[id].promptTag)).size, TASK_IDS.length);
  });
});
