/** A training that takes seconds: a tiny pipeline to begin with, two pictures, a recipe. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { saveTinyPipeline } from '../../../eval/tiny-pipeline.js';

/** Writes `tiny`, `set` and `tiny.yaml` into a folder. */
export async function saveSmallTraining(folder: string, recipe: string): Promise<void> {
  saveTinyPipeline(join(folder, 'tiny'));
  writeFileSync(join(folder, 'tiny.yaml'), recipe);
  mkdirSync(join(folder, 'set'));
  for (const name of ['a', 'b']) {
    const create = { width: 32, height: 32, channels: 3 as const, background: 'red' };
    await sharp({ create }).toFile(join(folder, 'set', `${name}.png`));
    writeFileSync(join(folder, 'set', `${name}.txt`), 'a red cube');
  }
}
