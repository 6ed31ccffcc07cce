import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { miniWorld } from '../../src/data/miniworld/index.js';
import { itemParts } from '../../src/eval/items.js';
import { writeImage, writeVideo } from '../../src/media/index.js';
import { TASKS, type Task } from '../../src/tasks/index.js';
import { temporaryFolder } from '../temp-folder.js';

const folder = temporaryFolder();

test('itemParts takes items from all over a data set', async () => {
  const size = { width: 64, height: 64, numFrames: 1 };
  for (let i = 0; i < 7; i++) {
    await writeImage(join(folder, `${i}.png`), { ...size, data: miniWorld(i, size).frames });
  }
  const named = async (limit: number | null) => {
    const options = { settings: size, segments: null, limit };
    const { parts } = await itemParts(folder, [TASKS.iinp], options);
    const { count, at } = parts[0]!.trials;
    const names: string[] = [];
    for (let i = 0; i < count; i++) names.push((await at(i)).name);
    return names;
  };
  assert.deepEqual(await named(null), ['0', '1', '2', '3', '4', '5', '6']);
  assert.deepEqual(await named(2), ['1', '5']);
  assert.deepEqual(await named(9), ['0', '1', '2', '3', '4', '5', '6']);
});

describe('the part and the depth of a clip', () => {
  const at = (name: string) => join(folder, 'clips', name);
  const size = { width: 64, height: 64 };
  /** Frame i is of the shade 4 i, and its depth rises from 6 i at the top. */
  before(async () => {
    mkdirSync(join(folder, 'clips'));
    const frames = (count: number, shade: (frame: number, y: number) => number) => {
      const data = new Uint8Array(count * 64 * 64 * 3);
      for (let i = 0; i < data.length; i++) {
        data[i] = shade(Math.floor(i / (64 * 64 * 3)), Math.floor(i / (64 * 3)) % 64);
      }
      return { ...size, numFrames: count, data };
    };
    await writeVideo(
      at('clip.mp4'),
      frames(30, (frame) => 4 * frame),
      { fps: 10 },
    );
    await writeVideo(
      at('depth.mp4'),
      frames(30, (frame, y) => 6 * frame + y),
      { fps: 10 },
    );
    await writeImage(
      at('still.png'),
      frames(1, (_, y) => y),
    );
    const row = { video: 'clip.mp4', caption: 'a gray shade', sharpness: 100, motion_score: 1 };
    const rows = [
      { ...row, start: 1, frames: 9, depth: 'depth.mp4' },
      { ...row, depth: 'still.png' },
    ];
    writeFileSync(at('rows.jsonl'), rows.map((one) => `${JSON.stringify(one)}\n`).join(''));
  });
  const partsOf = (tasks: Task[]) =>
    itemParts(at('rows.jsonl'), tasks, {
      settings: { ...size, numFrames: 17 },
      segments: null,
      limit: null,
    });

  test('are those of the row, at the same times', async () => {
    const { parts } = await partsOf([TASKS.d2v]);
    assert.equal(parts[0]!.trials.count, 1);
    const { truth, given } = await parts[0]!.trials.at(0);
    assert.equal(truth.numFrames, 9);
    assert.ok(Math.abs(truth.data[0]! - 40) <= 2, `begins with ${truth.data[0]}`);
    const { depth } = given.geometry[0]!;
    const tops = [0, 8].map((frame) => depth!.data[frame * depth!.width * depth!.height]!);
    assert.ok(Math.abs(tops[1]! - tops[0]! - 48 * (tops[0]! / 60)) < 0.1 * tops[1]!, `${tops}`);
  });

  test('that do not fit are told of, and not used', async () => {
    const { parts, notes } = await partsOf([TASKS.i2v]);
    assert.match(notes.join('\n'), /still\.png: the depth must have as many frames .*30.*got 1/);
    const { given } = await parts[0]!.trials.at(1);
    assert.equal(given.known[0]!.depth ?? null, null);
  });
});
