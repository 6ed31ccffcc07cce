import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RandomStream } from '../../src/data/random.js';
import {
  BASELINES,
  baselineClips,
  crossFade,
  layOut,
  meanFill,
  nearestFrameFill,
  repeatFirstFrame,
} from '../../src/eval/baselines.js';
import { harmonicFill } from '../../src/eval/harmonic.js';
import { BEST_PSNR, clipPsnr } from '../../src/eval/quality.js';
import { type Frames, resizeFrames } from '../../src/media/index.js';
import {
  type ConditionInputs,
  given,
  NOTHING,
  TASKS,
  type Target,
  type Task,
} from '../../src/tasks/index.js';

/** A clip of one row of grey pixels, by frame. */
function gray(frames: number[][]): Frames {
  const data = Uint8Array.from(frames.flat().flatMap((value) => [value, value, value]));
  return { width: frames[0]!.length, height: 1, numFrames: frames.length, data };
}

const valuesOf = ({ data, width, numFrames }: Frames) =>
  Array.from({ length: numFrames }, (_, f) =>
    Array.from({ length: width }, (_, x) => data[(f * width + x) * 3]!),
  );

describe('repeatFirstFrame', () => {
  test('stands still', () => {
    const clip = gray([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    assert.deepEqual(valuesOf(repeatFirstFrame(clip)), [
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
  });
});

describe('meanFill', () => {
  test("takes each frame's mean of what is known, channel by channel", () => {
    const data = Uint8Array.from([10, 20, 30, 20, 40, 60, 99, 99, 99]);
    const clip: Frames = { width: 3, height: 1, numFrames: 1, data };
    const filled = meanFill(clip, Uint8Array.from([0, 0, 1]));
    assert.deepEqual([...filled.data], [10, 20, 30, 20, 40, 60, 15, 30, 45]);
  });

  test('takes the mean of the clip for a frame that is all hole, and grey for such a clip', () => {
    const clip = gray([
      [10, 30],
      [99, 99],
    ]);
    const filled = meanFill(clip, Uint8Array.from([0, 0, 1, 1]));
    assert.deepEqual(valuesOf(filled), [
      [10, 30],
      [20, 20],
    ]);
    assert.deepEqual(valuesOf(meanFill(clip, new Uint8Array(4).fill(1))), [
      [128, 128],
      [128, 128],
    ]);
  });
});

describe('nearestFrameFill', () => {
  test('takes the nearest frame that knows the pixel, the earlier of two', () => {
    const clip = gray([
      [1, 50],
      [2, 50],
      [3, 50],
      [4, 50],
      [5, 50],
    ]);
    const at = (...frames: number[]) =>
      Uint8Array.from({ length: 10 }, (_, i) => (i % 2 === 0 && frames.includes(i / 2) ? 1 : 0));
    const first = (hole: Uint8Array) => valuesOf(nearestFrameFill(clip, hole)).map(([x]) => x);
    assert.deepEqual(first(at(2)), [1, 2, 2, 4, 5]);
    assert.deepEqual(first(at(0, 1)), [3, 3, 3, 4, 5]);
    assert.deepEqual(first(at(1, 2, 3)), [1, 1, 1, 5, 5]);
  });

  test('takes the mean where no frame knows the pixel', () => {
    const clip = gray([
      [99, 10, 20],
      [99, 30, 50],
    ]);
    const hole = Uint8Array.from([1, 0, 0, 1, 0, 0]);
    assert.deepEqual(valuesOf(nearestFrameFill(clip, hole)), [
      [15, 10, 20],
      [40, 30, 50],
    ]);
  });
});

describe('crossFade', () => {
  test('changes evenly from the frame before to the frame after, and holds at the ends', () => {
    const clip = gray([
      [99, 50],
      [10, 50],
      [99, 50],
      [99, 50],
      [99, 50],
      [50, 50],
      [99, 50],
    ]);
    const hole = Uint8Array.from({ length: 14 }, (_, i) =>
      i % 2 === 0 && clip.data[i * 3] === 99 ? 1 : 0,
    );
    const first = valuesOf(crossFade(clip, hole)).map(([x]) => x);
    assert.deepEqual(first, [10, 10, 20, 30, 40, 50, 50]);
  });
});

describe('harmonicFill', () => {
  const [width, height] = [48, 32];
  /** The largest error in the hole, in levels, of a harmonic picture about 0..255. */
  function worst(
    picture: (x: number, y: number) => number,
    inHole: (x: number, y: number) => boolean,
  ) {
    const data = new Uint8Array(width * height * 3);
    const hole = new Uint8Array(width * height);
    for (let p = 0; p < hole.length; p++) {
      const [x, y] = [p % width, Math.floor(p / width)];
      hole[p] = inHole(x, y) ? 1 : 0;
      data.fill(hole[p] ? 0 : Math.round(picture(x, y)), p * 3, p * 3 + 3);
    }
    const filled = harmonicFill({ width, height, numFrames: 1, data }, hole).data;
    return Math.max(
      ...Array.from(hole, (_, p) =>
        Math.abs(filled[p * 3]! - picture(p % width, Math.floor(p / width))),
      ),
    );
  }
  const box = (x: number, y: number) => x >= 8 && x < 40 && y >= 5 && y < 27;

  // half a level for the rounding of what is known, half for that of the result, and the tolerance
  const LEVEL = 1.1;

  test('goes on with a slope and a saddle, which are harmonic', () => {
    const slope = worst((x, y) => 20 + 2.3 * x + 3.1 * y, box);
    assert.ok(slope < LEVEL, `got ${slope}`);
    const saddle = worst((x, y) => 128 + ((x - 24) ** 2 - (y - 16) ** 2) / 5, box);
    assert.ok(saddle < LEVEL, `got ${saddle}`);
  });

  test('meets the border of the frame at a right angle', () => {
    // solves the discrete equation: cos k + cosh m = 2, level in x at both sides and in y at the top
    const k = Math.PI / (width - 1);
    const m = Math.acosh(2 - Math.cos(k));
    const picture = (x: number, y: number) =>
      128 + (80 * Math.cos(k * x) * Math.cosh(m * y)) / Math.cosh(m * height);
    const value = worst(picture, (_x, y) => y < 16);
    assert.ok(value < LEVEL, `got ${value}`);
  });

  test('gives a border the colours of the edge, and a frame that is all hole middle grey', () => {
    const clip = gray([
      [0, 0, 7, 9, 0],
      [1, 2, 3, 4, 5],
    ]);
    const hole = Uint8Array.from([1, 1, 0, 0, 1, 1, 1, 1, 1, 1]);
    assert.deepEqual(valuesOf(harmonicFill(clip, hole)), [
      [7, 7, 7, 9, 9],
      [128, 128, 128, 128, 128],
    ]);
  });
});

describe('BASELINES', () => {
  const target: Target = { width: 24, height: 16, numFrames: 9 };
  const noise = new RandomStream(0, 'clip');
  const clip: Frames = {
    ...target,
    data: Uint8Array.from({ length: 24 * 16 * 9 * 3 }, () => 256 * noise.next()),
  };
  const still = { ...clip, numFrames: 1, data: clip.data.subarray(0, 24 * 16 * 3) };
  const of = (name: string, known: ConditionInputs, size = target) =>
    BASELINES.find((baseline) => baseline.name === name)!.of(layOut(known, size));
  const namesFor = (known: ConditionInputs, size = target) => [
    ...baselineClips(layOut(known, size)).keys(),
  ];
  const trained = (task: Task, whole: Frames) =>
    task.fromSample(
      {
        clip: whole,
        caption: 'noise',
        depth: null,
        edit: { source: whole, instruction: 'none' },
      },
      new RandomStream(1, task.id),
    );

  test('are those that what a task is given allows', () => {
    const stillTarget = { ...target, numFrames: 1 };
    assert.deepEqual(namesFor(NOTHING), []);
    assert.deepEqual(namesFor(trained(TASKS.isr, still), stillTarget), ['bicubic']);
    assert.deepEqual(namesFor(trained(TASKS.vsr, clip)), ['bicubic']);
    assert.deepEqual(namesFor(trained(TASKS.vcolor, clip)), ['gray copy']);
    assert.deepEqual(namesFor(trained(TASKS.i2v, clip)), ['input', 'nearest frame']);
    assert.deepEqual(namesFor(trained(TASKS.vexd, clip)), ['input', 'nearest frame']);
    assert.deepEqual(namesFor(trained(TASKS.vtrans, clip)), [
      'input',
      'nearest frame',
      'cross-fade',
    ]);
    const fills = ['input', 'mean fill', 'harmonic'];
    assert.deepEqual(namesFor(trained(TASKS.iinp, still), stillTarget), fills);
    assert.deepEqual(namesFor(trained(TASKS.ioutp, still), stillTarget), fills);
    // borders are missing in every frame alike
    assert.deepEqual(namesFor(trained(TASKS.voutp, clip)), fills);
    const edit = TASKS.vedit.fromInput({ media: [clip], mask: null }, 9);
    assert.deepEqual(namesFor(edit), ['input']);
    const depth = { path: '', ...target, data: new Float32Array(24 * 16 * 9) };
    const shape = { frames: null, depth, at: [0, 1, 2, 3, 4, 5, 6, 7, 8] };
    assert.deepEqual(namesFor(given({ geometry: [shape] })), ['middle gray']);
    const look = [{ frames: still, at: [0], hole: null }];
    assert.deepEqual(namesFor(given({ geometry: [shape], known: look })), ['nearest frame']);
  });

  test('go from frame to frame where a hole moves', () => {
    const hole = new Uint8Array(24 * 16 * 9);
    for (let f = 0; f < 9; f++) hole.fill(1, (f * 16 + f) * 24, (f * 16 + f + 1) * 24);
    const known = given({ known: [{ frames: clip, at: [0, 1, 2, 3, 4, 5, 6, 7, 8], hole }] });
    assert.deepEqual(namesFor(known), [
      'input',
      'mean fill',
      'harmonic',
      'nearest frame',
      'cross-fade',
    ]);
    assert.deepEqual(of('nearest frame', known), nearestFrameFill(clip, hole));
    assert.deepEqual(of('harmonic', known)!.data, harmonicFill(clip, hole).data);
  });

  test('keep what is known and never look at the rest', () => {
    const known = given({ known: [{ frames: still, at: [3], hole: null }] });
    const input = of('input', known)!;
    const size = still.data.length;
    for (let f = 0; f < 9; f++) {
      const frame = input.data.subarray(f * size, (f + 1) * size);
      if (f === 3) assert.deepEqual(frame, still.data);
      else
        assert.ok(
          frame.every((value) => value === 128),
          `frame ${f}`,
        );
    }
    const repeated = of('nearest frame', known)!;
    assert.deepEqual(
      [...repeated.data],
      Array(9)
        .fill([...still.data])
        .flat(),
    );
  });

  test('enlarge smaller frames as Pillow does, and repeat and fade them at that size', () => {
    const small = resizeFrames(clip, { width: 12, height: 8 });
    const whole = given({
      known: [{ frames: small, at: [0, 1, 2, 3, 4, 5, 6, 7, 8], hole: null }],
    });
    assert.deepEqual(of('bicubic', whole)!.data, resizeFrames(small, target).data);

    const [first, last] = [0, 200].map((value) => ({
      width: 12,
      height: 8,
      numFrames: 1,
      data: new Uint8Array(12 * 8 * 3).fill(value),
    }));
    const ends = given({
      known: [
        { frames: first!, at: [0], hole: null },
        { frames: last!, at: [8], hole: null },
      ],
    });
    const plane = target.width * target.height * 3;
    const levels = (frames: Frames) => Array.from({ length: 9 }, (_, f) => frames.data[f * plane]);
    assert.deepEqual(levels(of('cross-fade', ends)!), [0, 25, 50, 75, 100, 125, 150, 175, 200]);
    assert.deepEqual(levels(of('nearest frame', ends)!), [0, 0, 0, 0, 0, 200, 200, 200, 200]);
  });

  test('copy grey frames in grey', () => {
    const copied = of('gray copy', trained(TASKS.vcolor, clip))!;
    for (let p = 0; p < 50; p++) {
      const [r, g, b] = clip.data.subarray(p * 3, p * 3 + 3);
      const luma = 0.2989 * r! + 0.587 * g! + 0.114 * b!;
      for (let c = 0; c < 3; c++) assert.ok(Math.abs(copied.data[p * 3 + c]! - luma) < 0.51);
    }
  });
});

describe('fills', () => {
  test('never look into the hole, and keep the rest', () => {
    const hole = Uint8Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 1 : 0));
    const clip = (inside: number) => {
      const values = Array.from({ length: 12 }, (_, i) => (hole[i] ? inside : 7 * i));
      return gray([values.slice(0, 4), values.slice(4, 8), values.slice(8)]);
    };
    for (const fill of [meanFill, nearestFrameFill, crossFade, harmonicFill]) {
      assert.deepEqual(fill(clip(0), hole), fill(clip(200), hole));
      const filled = fill(clip(0), hole);
      hole.forEach((missing, i) => {
        if (!missing) assert.equal(filled.data[i * 3], 7 * i);
      });
    }
  });
});

describe('clipPsnr', () => {
  test('is 20 log10(255 / difference) for an even difference, inside the mask alone', () => {
    const [a, b] = [gray([[100, 100]]), gray([[110, 200]])];
    const within = (x: number, y: number) => Math.abs(x - y) < 1e-3;
    assert.ok(within(clipPsnr(a, b, Uint8Array.from([1, 0])), 20 * Math.log10(25.5)));
    assert.ok(within(clipPsnr(a, b, Uint8Array.from([0, 1])), 20 * Math.log10(2.55)));
    assert.ok(within(clipPsnr(a, b), 10 * Math.log10(255 ** 2 / ((100 + 10000) / 2))));
    assert.equal(clipPsnr(a, a), BEST_PSNR);
  });
});
