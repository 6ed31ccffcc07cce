import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import {
  createClipWriter,
  type Frames,
  sliceFrames,
  writeImage,
} from '../../../src/media/index.js';
import { type Prepared, prepare } from '../../../src/pipeline/generate/prepare.js';
import { type UserRequest, withDepthFrom } from '../../../src/pipeline/generate/request.js';
import type { Window } from '../../../src/pipeline/generate/windows.js';
import { PipelineSettings, settingsFor } from '../../../src/pipeline/settings.js';
import { TASKS, type Task } from '../../../src/tasks/index.js';
import { fromArray } from '../../../src/tensor/index.js';
import { ffmpeg, noFfmpeg } from '../../media/helpers.js';
import { temporaryFolder } from '../../temp-folder.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const PIPELINE = PipelineSettings.parse({ width: 32, height: 32, numFrames: 5, fps: 8 });

/** Frame i is all 2 i + 1, so that it can be told by its colour, from lossy files too. */
function counting(numFrames: number, width = 32, height = 32): Frames {
  const plane = width * height * 3;
  const data = new Uint8Array(plane * numFrames).map(
    (_, i) => (2 * Math.floor(i / plane) + 1) % 256,
  );
  return { width, height, numFrames, data };
}

async function writeFolder(name: string, clip: Frames): Promise<void> {
  mkdirSync(at(name));
  for (let i = 0; i < clip.numFrames; i++) {
    await writeImage(join(at(name), `${i}.png`), sliceFrames(clip, i, i + 1));
  }
}

async function writeClip(name: string, clip: Frames): Promise<void> {
  const writer = await createClipWriter(at(name), { width: 32, height: 32, fps: 24 });
  await writer.write(clip);
  await writer.finish();
}

/** All windows of a request, and the frame that each of them begins with. */
async function windowsOf(task: Task, parts: Partial<UserRequest>) {
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  const request = { prompt: 'a', inputs: [], onNote, ...parts };
  const prepared: Prepared = await prepare(task, request, settingsFor(PIPELINE, task));
  const windows: Window[] = [];
  try {
    for await (const window of prepared.windows()) windows.push(window);
  } finally {
    await prepared.close();
  }
  return { ...prepared, notes, all: windows };
}

/** The number of each known frame, from its colour. */
const numbers = ({ data, width, height }: Frames): number[] =>
  [...data].filter((_, i) => i % (width * height * 3) === 0).map((value) => (value - 1) / 2);

before(async () => {
  await writeFolder('23', counting(23));
  await writeFolder('12', counting(12));
  await writeImage(at('photo.png'), counting(1));
});

describe('prepare', () => {
  test('windows over an input give every frame in its place, the last one padded', async () => {
    const { all, overlap, numFrames, numWindows } = await windowsOf(TASKS.vcolor, {
      inputs: [at('23')],
      window: 9,
    });
    assert.deepEqual([overlap, numFrames, numWindows], [4, 23, 4]);
    assert.deepEqual(
      all.map(({ given }) => numbers(given.known[0]!.frames)),
      [
        [0, 1, 2, 3, 4, 5, 6, 7, 8],
        [5, 6, 7, 8, 9, 10, 11, 12, 13],
        [10, 11, 12, 13, 14, 15, 16, 17, 18],
        [15, 16, 17, 18, 19, 20, 21, 22, 22],
      ],
    );
    assert.deepEqual(
      all.map(({ kept, last }) => [kept, last]),
      [
        [9, false],
        [9, false],
        [9, false],
        [8, true],
      ],
    );
  });

  test('numFrames ends the windows of an input, and numFrames of all of them is the same', async () => {
    const words = { inputs: [at('23')], window: 9 };
    const { all, numFrames } = await windowsOf(TASKS.vcolor, { ...words, numFrames: 15 });
    assert.equal(numFrames, 15);
    const ends = ({ given, kept }: Window) => numbers(given.known[0]!.frames)[kept - 1];
    assert.deepEqual(all.map(ends), [8, 13, 14]);
    const whole = await windowsOf(TASKS.vcolor, { ...words, numFrames: 23 });
    assert.deepEqual(whole.all, (await windowsOf(TASKS.vcolor, words)).all);
  });

  test('a transition knows its ends in its first and last window alone', async () => {
    const inputs = [at('12'), at('23')];
    const { all, before, after, numFrames } = await windowsOf(TASKS.vtrans, {
      inputs,
      numFrames: 40,
    });
    assert.deepEqual([before!.numFrames, after!.numFrames, numFrames], [4, 15, 40]);
    const [first, ...rest] = all;
    const [last, middle] = [rest.at(-1)!, rest.slice(0, -1)];
    assert.deepEqual(numbers(first!.given.known[0]!.frames), [4, 5, 6, 7, 8, 9, 10, 11]);
    assert.ok(middle.length > 0 && middle.every(({ given }) => given.known.length === 0));
    assert.deepEqual(
      middle
        .map(({ task }) => task.id)
        .concat(last.task.id)
        .at(-1),
      'vtrans',
    );
    assert.ok(middle.every(({ task }) => task.id === 'vexd'));
    const [end] = last.given.known;
    assert.deepEqual(numbers(end!.frames), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(
      end!.at,
      [0, 1, 2, 3, 4, 5, 6, 7].map((i) => last.kept - 8 + i),
    );
  });

  test('what a prompt makes has windows that go on, never of one frame', async () => {
    const { all } = await windowsOf(TASKS.t2v, { numFrames: 12 });
    assert.deepEqual(
      all.map(({ task }) => task.id),
      ['t2v', ...new Array(all.length - 1).fill('vexd')],
    );
    const one = windowsOf(TASKS.t2v, { numFrames: 12, window: 1 });
    await assert.rejects(one, /`window`: must be at least 5 for this task, got 1/);
  });

  test('a long clip is never in memory whole', { skip: noFfmpeg }, async () => {
    const writer = await createClipWriter(at('400.mp4'), { width: 32, height: 32, fps: 24 });
    for (let i = 0; i < 4; i++) await writer.write(counting(100));
    await writer.finish();
    const request = { prompt: '', inputs: [at('400.mp4')], window: 17 };
    const prepared = await prepare(TASKS.vcolor, request, settingsFor(PIPELINE, TASKS.vcolor));
    let count = 0;
    let held = 0;
    for await (const { given, kept, overlap } of prepared.windows()) {
      count += kept - overlap;
      held = Math.max(held, given.known[0]!.frames.data.buffer.byteLength / (32 * 32 * 3));
    }
    await prepared.close();
    assert.equal(count, 400);
    assert.ok(held <= 18, `${held} frames behind a window of 17`);
  });

  test('a video mask may be one off from what the file of its clip says', {
    skip: noFfmpeg,
  }, async () => {
    await writeClip('clip.mp4', counting(12));
    for (const [count, message] of [
      [12, null],
      [11, /mask-11\.mp4: has 11 frames for the 12 of .*clip\.mp4/],
      [13, /mask-13\.mp4: has 13 frames for the 12 of/],
    ] as const) {
      const white = counting(count);
      await writeClip(`mask-${count}.mp4`, {
        ...white,
        data: white.data.map((_, i) => (i % 96 < 48 ? 255 : 0)),
      });
      const mask = { file: at(`mask-${count}.mp4`) };
      const { notes, all } = await windowsOf(TASKS.vinp, {
        inputs: [at('clip.mp4')],
        mask,
        window: 9,
      });
      assert.equal(all.at(-1)!.last, true);
      const said = notes.filter((note) => note.includes('mask-'));
      assert.equal(said.length, message ? 1 : 0);
      if (message) assert.match(said[0]!, message);
    }
    const nine = counting(9);
    await writeClip('mask-9.mp4', {
      ...nine,
      data: nine.data.map((_, i) => (i % 96 < 48 ? 255 : 0)),
    });
    const wrong = { inputs: [at('clip.mp4')], mask: { file: at('mask-9.mp4') } };
    await assert.rejects(
      windowsOf(TASKS.vinp, wrong),
      /one frame or as many as its input \(12\), got 9/,
    );
  });

  test('a mask or depth is as long as the pictures of its clip, though the sound is longer', {
    skip: noFfmpeg,
  }, async () => {
    await writeClip('silent.mp4', counting(12));
    const sound = ['-f', 'lavfi', '-i', 'sine=d=4'];
    ffmpeg('-i', at('silent.mp4'), ...sound, '-c:v', 'copy', '-c:a', 'aac', at('sound.mp4'));
    const halves = (numFrames: number) => {
      const clip = counting(numFrames);
      return { ...clip, data: clip.data.map((_, i) => (i % 96 < 48 ? 255 : 0)) };
    };
    await writeClip('mask-of-12.mp4', halves(12));
    await writeFolder('mask-of-20', halves(20));
    const parts = { inputs: [at('sound.mp4')], window: 9 };
    const { all } = await windowsOf(TASKS.vinp, { ...parts, mask: { file: at('mask-of-12.mp4') } });
    assert.equal(all.at(-1)!.last, true);
    await assert.rejects(
      windowsOf(TASKS.vinp, { ...parts, mask: { file: at('mask-of-20') } }),
      /one frame or as many as its input \(12\), got 20/,
    );
    const depth = [at('mask-of-12.mp4')];
    assert.equal((await windowsOf(TASKS.mtrans, { ...parts, depth })).numFrames, 12);
    await assert.rejects(
      windowsOf(TASKS.mtrans, { ...parts, depth: [at('mask-of-20')] }),
      /as many frames as .*sound\.mp4 \(12\), got 20/,
    );
    await assert.rejects(
      windowsOf(TASKS.vinp, { ...parts, mask: { file: at('mask-of-12.mp4') }, numFrames: 40 }),
      /has 12 frames, got 40; 12 is the most/,
    );
  });
});

test('the sound of a clip whose frame rate varies is left out, which is noted', {
  skip: noFfmpeg,
}, async () => {
  const drawn = ['-f', 'lavfi', '-i', 'testsrc2=size=32x32:rate=30:d=4'];
  const sound = ['-f', 'lavfi', '-i', 'sine=d=4'];
  const slowed = ['-vf', "select='lt(t,2)+not(mod(n,6))'"];
  ffmpeg(...drawn, ...sound, ...slowed, at('slowed.mkv'));
  ffmpeg('-i', at('slowed.mkv'), '-c:v', 'copy', '-c:a', 'aac', at('slowed.mp4'));
  const request = { prompt: '', inputs: [at('slowed.mp4')], window: 9, numFrames: 9 };
  const { audio, notes } = await windowsOf(TASKS.vcolor, request);
  assert.equal(audio, null);
  assert.ok(
    notes.includes(`${at('slowed.mp4')}: its frame rate varies, so any sound of it is left out`),
    notes.join('\n'),
  );
});

describe('depth that is estimated', () => {
  test('from a clip is that of motion transfer, window by window', async () => {
    const transferred = await windowsOf(TASKS.mtrans, { inputs: [at('23')] });
    const parts = withDepthFrom(TASKS.d2v, { prompt: 'a', inputs: [], depthFrom: at('23') });
    const { all, fps, numFrames } = await windowsOf(TASKS.d2v, parts);
    assert.deepEqual([fps, numFrames], [transferred.fps, transferred.numFrames]);
    assert.deepEqual(
      all.map(({ given, kept }) => ({ given, kept })),
      transferred.all.map(({ given, kept }) => ({ given, kept })),
    );
    assert.ok(all.length > 4);
  });

  test('from a picture is that of every frame, and is estimated once', async () => {
    await writeImage(at('photo.png'), counting(1));
    let calls = 0;
    const estimateDepth = ({ width, height }: Frames) => {
      calls++;
      const data = Float32Array.from({ length: width * height }, (_, i) => i);
      return fromArray(data, [1, height, width]);
    };
    const asked = { prompt: 'a', inputs: [], depthFrom: at('photo.png'), numFrames: 12 };
    const parts = withDepthFrom(TASKS.d2v, { ...asked, estimateDepth });
    const { all, numFrames } = await windowsOf(TASKS.d2v, parts);
    assert.deepEqual([numFrames, calls, all.length], [12, 1, 3]);
    for (const { given, numFrames: count } of all) {
      const { depth } = given.geometry[0]!;
      assert.equal(depth!.numFrames, count);
      const plane = 32 * 32;
      for (const i of [0, 7, plane - 1]) {
        for (let frame = 0; frame < count; frame++) assert.equal(depth!.data[frame * plane + i], i);
      }
    }
  });
});
