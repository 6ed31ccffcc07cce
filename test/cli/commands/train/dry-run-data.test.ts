import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { dryRun } from '../../../../src/cli/commands/train/dry-run.js';
import { stageDataOf } from '../../../../src/cli/commands/train/dry-run-data.js';
import { openSources } from '../../../../src/train/feed/index.js';
import { Recipe } from '../../../../src/train/recipe/config.js';
import { stagesOf } from '../../../../src/train/recipe/stages.js';
import { temporaryFolder } from '../../../temp-folder.js';

const root = temporaryFolder();

test('the lines of a dry run measure files once for all stages', async () => {
  const manifest = join(root, 'pictures');
  mkdirSync(manifest);
  for (const [i, background] of ['red', 'blue'].entries()) {
    const picture = sharp({ create: { width: 64, height: 64, channels: 3, background } });
    await picture.png().toFile(join(manifest, `${i}.png`));
  }
  const small = { name: 'small', width: 32, height: 32 };
  const data = [{ manifest, weight: 3 }, { miniworld: { clips: 4, images: 6 } }];
  const recipe = Recipe.parse({
    name: 'two',
    data: [{ manifest }],
    validationSamples: 0,
    transformer: { steps: 1, stages: [{ name: 'all' }, { ...small, data }] },
  });
  const opened: string[] = [];
  const dataOf = await stageDataOf(recipe, (sources, options) => {
    opened.push(...sources.map((source) => source.manifest ?? 'miniworld'));
    return openSources(sources, options);
  });
  assert.deepEqual(opened, [manifest, 'miniworld']);
  const [first, second] = stagesOf(recipe).map((stage) => dataOf(stage)!.lines);
  assert.match(first!.join('\n'), /64x64 +1 frame +2 images +80 in a batch$/m);
  assert.match(second!.join('\n'), /32x32 +1 frame +8 images +320 in a batch$/m);
});

test('a dry run has the tasks, the samples and the steps that the files come to', async () => {
  const manifest = join(root, 'captioned');
  mkdirSync(manifest);
  for (const [i, background] of ['red', 'blue', 'green'].entries()) {
    const picture = sharp({ create: { width: 64, height: 64, channels: 3, background } });
    await picture.png().toFile(join(manifest, `${i}.png`));
    if (i > 0) writeFileSync(join(manifest, `${i}.txt`), 'sks dog');
  }
  const recipe = Recipe.parse({
    name: 'own',
    data: [{ manifest }],
    validationSamples: 0,
    base: 'models/mfm-mini',
    transformer: { steps: 1, imageShare: [0.5, 0.5] },
  });
  const text = dryRun({ recipe, folder: 'runs/own', dataOf: await stageDataOf(recipe) });
  assert.match(text, /^ {2}images: 100\.0 % of the steps, /m);
  assert.doesNotMatch(text, /^ {2}clips: /m);
  const rows = [
    ...text.matchAll(/^ {4}(\w+) +([\d.]+) +([\d.]+) % +([\d.]+) % of all steps +(.*)$/gm),
  ];
  const two = '2 of 3 samples  (1: ';
  assert.deepEqual(
    rows.map((row) => row.slice(1).map((cell) => cell.trim())),
    [
      // 3 of 6 parts for those with a caption
      ['t2i', '3', '33.3', '33.3', `${two}caption of fewer than 2 words)`],
      ['icolor', '1', '11.1', '11.1', `${two}no caption)`],
      ['iinp', '1', '27.8', '27.8', '3 of 3 samples'],
      ['ioutp', '1', '27.8', '27.8', '3 of 3 samples'],
    ],
  );
  assert.match(
    text,
    /^ {2}tasks without a sample, which are not trained: t2v, .* \(3: is an image\)/m,
  );
  assert.match(text, /^ {2}no sample can be used as a clip$/m);

  const named = { ...recipe, transformer: { ...recipe.transformer!, tasks: { iinp: 1, t2v: 1 } } };
  await assert.rejects(stageDataOf(named), {
    name: 'InputError',
    message: `all: tasks.t2v: none of 3 samples of ${manifest} qualifies (3: is an image); leave the task out or add such samples`,
  });
});
