import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { miniWorld } from '../../src/data/miniworld/index.js';
import { itemParts } from '../../src/eval/items.js';
import { writeImage } from '../../src/media/index.js';
import { TASKS } from '../../src/tasks/index.js';
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
