import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import {
  type Frames,
  type Media,
  resizeFrames,
  sliceFrames,
  writeVideo,
} from '../../../src/media/index.js';
import { finished } from '../../../src/pipeline/generate/finish.js';
import { expectOnce, spanOf } from '../../../src/pipeline/generate/placed.js';
import { prepare } from '../../../src/pipeline/generate/prepare.js';
import type { UserRequest } from '../../../src/pipeline/generate/request.js';
import { PipelineSettings, settingsFor } from '../../../src/pipeline/settings.js';
import { given, TASKS } from '../../../src/tasks/index.js';
import { noisy } from '../../cli/commands/generate/generating.js';
import { temporaryFolder } from '../../temp-folder.js';

const settings = settingsFor(
  PipelineSettings.parse({ width: 32, height: 32, numFrames: 17 }),
  TASKS.any,
);

const media = (frames: Frames, name: string, fps = 8): Media => ({
  ...frames,
  path: name,
  kind: frames.numFrames > 1 ? 'video' : 'image',
  fps: frames.numFrames > 1 ? fps : null,
  alpha: null,
  notes: [],
});
/** Depth as gray frames; as given and as it is read they differ by a scale. */
const depth = (numFrames: number): Media => {
  const frames = noisy(32, 32, numFrames, 4);
  return media({ ...frames, data: frames.data.map((_, i) => Math.floor(i / 3) % 251) }, 'depth');
};

async function planned(request: Partial<UserRequest>) {
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  const plan = await prepare(TASKS.any, { prompt: '', inputs: [], onNote, ...request }, settings);
  const windows = [];
  for await (const window of plan.windows()) windows.push(window);
  return { ...plan, windows, notes };
}

describe('what is placed', () => {
  test('is refused if a part is brought to another rate, and its mask is not', async () => {
    const folder = temporaryFolder();
    const fast = join(folder, 'fast.mp4');
    await writeVideo(fast, noisy(32, 32, 16, 1), { fps: 16 });
    const mask = join(folder, 'mask.mp4');
    const half = new Uint8Array(16 * 32 * 32 * 3).map((_, i) => (i % 96 < 48 ? 255 : 0));
    await writeVideo(mask, { width: 32, height: 32, numFrames: 16, data: half }, { fps: 16 });
    const known = [
      { media: media(noisy(32, 32, 9, 2), 'clip'), at: [0, 8] as [number, number] },
      { media: fast, at: [9, 16] as [number, number], mask },
    ];
    await assert.rejects(
      planned({ numFrames: 17, known }),
      /fast\.mp4: .*its mask belongs to its own/,
    );
  });

  test('is in every window, from where that begins', async () => {
    const clip = noisy(32, 32, 9, 1);
    const { windows, numFrames } = await planned({
      numFrames: 41,
      known: [
        { media: media(noisy(32, 32, 1, 2), 'first'), at: 0 },
        { media: media(clip, 'clip'), at: [20, 28] },
        { media: media(noisy(32, 32, 1, 3), 'last'), at: -1 },
      ],
      depth: [{ media: depth(41), at: [0, 40] }],
    });
    assert.equal(numFrames, 41);
    assert.ok(windows.length > 2);
    let start = 0;
    for (const { task, given, numFrames, kept, overlap } of windows) {
      assert.equal(task.id, 'any', 'the prompt of every window has the tag of mixtures');
      start -= overlap;
      const at = given.known.flatMap((one) => one.at.map((place) => place + start));
      const wanted = [0, ...Array.from({ length: 9 }, (_, i) => 20 + i), 40];
      assert.deepEqual(
        at,
        wanted.filter((place) => place >= start && place < start + numFrames),
      );
      for (const { frames, at } of given.known) {
        if (at.length < 2) continue;
        const from = at[0]! + start - 20;
        assert.deepEqual(frames.data, sliceFrames(clip, from, from + at.length).data);
      }
      const [shape] = given.geometry;
      assert.deepEqual(shape!.at, [...Array(numFrames).keys()]);
      assert.equal(shape!.depth!.numFrames, numFrames);
      start += kept;
    }
    assert.equal(start, 41);
  });

  test('goes on to the end of what is made, if that is a little more than is asked', async () => {
    const { windows, target } = await planned({
      numFrames: 11,
      known: [
        { media: media(noisy(32, 32, 6, 1), 'clip'), at: [5, 10] },
        { media: media(noisy(32, 32, 1, 2), 'photo'), at: 0 },
      ],
      depth: [{ media: depth(2), at: [0, 1] }],
    });
    assert.equal(target.numFrames, 13);
    const [{ given }] = windows as [(typeof windows)[number]];
    assert.deepEqual(
      given.known.map(({ at }) => at),
      [[5, 6, 7, 8, 9, 10, 11, 12], [0]],
    );
    assert.deepEqual(given.geometry[0]!.at, [0, 1]);
    const { frames } = given.known[0]!;
    assert.deepEqual(sliceFrames(frames, 7, 8).data, sliceFrames(frames, 5, 6).data);
  });

  test('has the shape of the first picture that is not small, and the rate of the first clip', async () => {
    const { result, fps, notes, windows } = await planned({
      known: [
        { media: media(noisy(12, 12), 'stamp'), at: 0 },
        { media: media(noisy(64, 32), 'wide'), at: 1 },
        { media: media(noisy(64, 32, 3), 'clip', 15), at: [4, 6] },
      ],
    });
    assert.deepEqual(result, { width: 48, height: 16 });
    assert.equal(fps, 15);
    assert.match(notes.join('\n'), /^stamp: cropped by/m);
    assert.match(notes.join('\n'), /^stamp: is smaller than the result \(12x4, 48x16\)/m);
    const [small, full] = windows[0]!.given.known;
    assert.deepEqual([small!.frames.width, small!.frames.height], [12, 4]);
    assert.deepEqual([full!.frames.width, full!.frames.height], [48, 16]);
    const of = (request: Partial<UserRequest>) => planned({ depth: [depth(17)], ...request });
    assert.deepEqual((await of({})).result, { width: 32, height: 32 });
    const asked = await of({ size: { width: 64, height: 32 } });
    assert.deepEqual(asked.result, { width: 64, height: 32 });
  });

  test('may lack a share of itself, by its mask and as a whole', async () => {
    const values = [0, 3, 64, 128, 252, 255];
    const mask = noisy(32, 32);
    mask.data.forEach((_, i) => {
      mask.data[i] = values[Math.floor(i / 3) % 6]!;
    });
    const holeOf = async (more: object) => {
      const known = [
        {
          media: media(noisy(32, 32), 'photo'),
          at: [0, 1] as const,
          mask: media(mask, 'mask'),
          ...more,
        },
      ];
      const { windows } = await planned({ known });
      const { hole } = windows[0]!.given.known[0]!;
      assert.equal(hole!.length, 2 * 32 * 32);
      return [...hole!.subarray(1024 * 1, 1024 * 1 + 6)].map((v) => Math.round(v * 1000) / 1000);
    };
    // what is nearly black or white counts as that, as compression blurs it
    const shares = values.map((v) => ({ 0: 0, 3: 0, 64: 0.251, 128: 0.502, 252: 1, 255: 1 })[v]!);
    assert.deepEqual(await holeOf({}), shares);
    assert.deepEqual(
      await holeOf({ invert: true }),
      shares.map((v) => Math.round((1 - v) * 1000) / 1000),
    );
    const kept = (await holeOf({ keep: 0.5 })).map((v, i) => Math.abs(v - (0.5 + shares[i]! / 2)));
    assert.ok(kept.every((off) => off < 0.002));
  });

  test('is put back for what it shows: pixels, a share, brightness or a coarse picture', () => {
    const size = { width: 32, height: 32 };
    const made = noisy(32, 32, 5, 9);
    const [whole, half, gray, full] = [1, 2, 3, 4].map((seed) => noisy(32, 32, 1, seed));
    const small = resizeFrames(full!, { width: 8, height: 8 });
    const inputs = given({
      known: [
        { frames: whole!, at: [0], hole: null },
        { frames: half!, at: [1], hole: new Float32Array(32 * 32).fill(0.5) },
        { frames: gray!, at: [2], hole: null, gray: true },
        { frames: small, at: [3], hole: null },
      ],
    });
    const result = finished(made, TASKS.any, inputs, size);
    const frame = (index: number) => sliceFrames(result, index, index + 1);
    assert.deepEqual(frame(0).data, whole!.data);
    const luma = ({ data }: Frames, p: number) =>
      0.299 * data[p * 3]! + 0.587 * data[p * 3 + 1]! + 0.114 * data[p * 3 + 2]!;
    for (let p = 0; p < 32 * 32; p++) {
      assert.ok(Math.abs(luma(frame(2), p) - luma(gray!, p)) < 1.1);
    }
    const coarse = resizeFrames(frame(3), small).data;
    const off = coarse.reduce((sum, v, i) => sum + Math.abs(v - small.data[i]!), 0) / coarse.length;
    assert.ok(off < 12, `${off} of 255`);
    const near = (a: Uint8Array, b: Uint8Array) =>
      a.reduce((sum, v, i) => sum + Math.abs(v - b[i]!), 0) / a.length;
    const shared = near(frame(1).data, half!.data) / near(sliceFrames(made, 1, 2).data, half!.data);
    assert.ok(shared > 0.4 && shared < 0.6, `${shared} of the difference`);
  });

  test('keeps all whole frames as they are, however many parts they come in', () => {
    const made = noisy(32, 32, 5, 9);
    const [dark, light] = [40, 200].map((level) => ({
      ...noisy(32, 32),
      data: noisy(32, 32).data.map((v) => Math.min(255, (level + v / 8) | 0)),
    }));
    for (const task of [TASKS.any, TASKS.vtrans]) {
      const inputs = given({
        known: [
          { frames: dark!, at: [0], hole: null },
          { frames: light!, at: [4], hole: null },
        ],
      });
      const result = finished(made, task, inputs, { width: 32, height: 32 });
      assert.deepEqual(sliceFrames(result, 0, 1).data, dark!.data, task.id);
      assert.deepEqual(sliceFrames(result, 4, 5).data, light!.data, task.id);
    }
  });
});

describe('a place', () => {
  test('counts from the start or from the end', () => {
    assert.deepEqual(spanOf('a', 0, 17), { first: 0, count: null });
    assert.deepEqual(spanOf('a', -1, 17), { first: 16, count: null });
    assert.deepEqual(spanOf('a', [3, -1], 17), { first: 3, count: 14 });
    assert.deepEqual(spanOf('a', [-2, -2], 17), { first: 15, count: 1 });
    for (const at of [17, -18, [0, 17], [5, 4], [-1, 0]] as const) {
      assert.throws(() => spanOf('a', at, 17), InputError);
    }
  });

  test('has one thing known, and one depth', () => {
    const parts = [
      { name: 'a', at: [0, 2] },
      { name: 'b', at: [1, 3] },
    ];
    expectOnce(parts, 'known');
    assert.throws(() => expectOnce([...parts, { name: 'c', at: [3] }], 'known'), {
      name: InputError.name,
      message:
        'c: frame 3 is known already, from b; each frame can be known once, so choose other places or leave one out',
    });
  });
});
