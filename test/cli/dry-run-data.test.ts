import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import sharp from 'sharp';
import { stageDataOf } from '../../src/cli/dry-run-data.js';
import { Recipe, stagesOf } from '../../src/train/config.js';
import { openSources } from '../../src/train/feed/index.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-dry-run-'));
after(() => rmSync(root, { recursive: true, force: true }));

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
    ...{ name: 'two', data: [{ manifest }], validationSamples: 0 },
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
