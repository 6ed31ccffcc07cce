import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import sharp from 'sharp';
import { TrainingData } from '../../src/train/data.js';
import { Run } from '../../src/train/run.js';
import { tinyRecipe } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-data-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** A folder of pictures that differ. */
async function pictures(count: number): Promise<string> {
  const folder = join(root, `pictures-${count}`);
  mkdirSync(folder);
  for (let i = 0; i < count; i++) {
    const background = { r: 20 * i, g: 100, b: 255 - 20 * i };
    const picture = sharp({ create: { width: 64, height: 64, channels: 3, background } });
    await picture.png().toFile(join(folder, `${i}.png`));
  }
  return folder;
}

describe('TrainingData', () => {
  test('says of files that are too few to keep any out that nothing measures them', async () => {
    const said = async (count: number, validationSamples: number) => {
      const folder = await pictures(count);
      const data = [{ manifest: folder, weight: 1 }];
      const recipe = { ...tinyRecipe(), data, validationSamples };
      const told: string[] = [];
      const report = {
        ...{ start() {}, update() {}, end() {} },
        log: (line: string) => told.push(line.replace(folder, 'pictures')),
      };
      const run = Run.open(join(root, `run-${count}`), recipe);
      const { signal } = new AbortController();
      const opened = await TrainingData.open({ recipe, run, report, signal });
      await opened.close();
      return told;
    };
    assert.deepEqual(await said(3, 4), [
      'pictures: of 3 images none is kept out of training; validation losses and sample sheets of images begin with 10 files',
    ]);
    assert.deepEqual(await said(10, 4), []);
    assert.deepEqual(await said(2, 0), []);
  });
});
