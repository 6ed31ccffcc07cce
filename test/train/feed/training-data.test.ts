import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import sharp from 'sharp';
import { TrainingData } from '../../../src/train/feed/training-data.js';
import { Run } from '../../../src/train/run/run.js';
import { tinyRecipe } from '../tiny.js';

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
  async function said(count: number, changes: object, transformer: object = {}) {
    const folder = await pictures(count);
    const data = [{ manifest: folder, weight: 1 }];
    const recipe = {
      ...tinyRecipe({ imageShare: [1, 1], ...transformer }),
      data,
      depth: { from: 'none', dropout: 0, frameDropout: 0 } as const,
      ...changes,
    };
    const told: string[] = [];
    const report = {
      start() {},
      update() {},
      end() {},
      log: (line: string) => told.push(line),
    };
    const run = Run.open(join(root, `run-${count}`), recipe);
    try {
      const { signal } = new AbortController();
      const opened = await TrainingData.open({ recipe, run, report, signal });
      await opened.close();
    } finally {
      run.close();
    }
    return told;
  }
  const VIDEO_TASKS =
    't2v, i2v, vexd, itrans, vtrans, vsr, vcolor, vinp, voutp, vedit, d2v, mtrans, any';

  test('says what each task has, and which are of samples that are trained on', async () => {
    assert.deepEqual(await said(3, { validationSamples: 4 }), [
      'samples by task: iinp 3 of 3, ioutp 3 of 3',
      `tasks without a sample, which are not trained: t2i (3: caption of fewer than 2 words); ${VIDEO_TASKS} (3: is an image); isr (3: not sharp); icolor (3: no caption); iedit (3: no picture before an edit)`,
      'validation and sheets of iinp, ioutp show samples that are also trained on, as none is held out (from 10 files of a kind on, a tenth is)',
    ]);
  });

  test('says so of none where some are kept out, or nothing is to be measured', async () => {
    const all = [
      ...(await said(10, { validationSamples: 4 })),
      ...(await said(2, { validationSamples: 0 })),
    ];
    assert.equal(all.length, 4);
    assert.doesNotMatch(all.join(), /trained on/);
  });

  test('says that batches which a recipe asks for cannot be had', async () => {
    const lines = await said(4, { validationSamples: 0 }, { imageShare: [0.5, 0.5] });
    assert.equal(
      lines.at(-1),
      'no sample can be used as a clip, so every batch has only images, whatever imageShare says',
    );
  });

  test('refuses tasks that a recipe names and no sample is good for', async () => {
    const tasks = { iinp: 1, t2i: 1, isr: 2 };
    await assert.rejects(said(5, {}, { tasks }), (error: Error) => {
      assert.equal(error.name, 'InputError');
      const sentences = error.message.replaceAll(join(root, 'pictures-5'), 'pictures').split('\n');
      assert.deepEqual(sentences, [
        'all: 2 problems',
        '  tasks.t2i: none of 5 samples of pictures qualifies (5: caption of fewer than 2 words); leave the task out or add such samples',
        '  tasks.isr: none of 5 samples of pictures qualifies (5: not sharp); leave the task out or add such samples',
      ]);
      return true;
    });
  });
});
