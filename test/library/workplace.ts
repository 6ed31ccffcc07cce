/** A tiny random pipeline that is open, and files for it. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { type Mfm, open } from '../../src/index.js';
import { writeImage } from '../../src/media/index.js';
import { columns, noisy, writeFolder } from '../cli/commands/generate/generating.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';

/** `mfm()`: 32x32, 5 frames, 2 steps; files: photo.png, mask.png and the folder clip, of 9 frames */
export function openWorkplace(name: string) {
  const root = mkdtempSync(join(tmpdir(), `mfm-${name}-`));
  const at = (file: string) => join(root, file);
  let mfm: Mfm;
  before(async () => {
    saveTinyPipeline(at('tiny'));
    mkdirSync(at('out'));
    await writeImage(at('photo.png'), noisy(32, 32));
    await writeImage(at('mask.png'), columns(32, 32, [8, 24]));
    await writeFolder(at('clip'), noisy(32, 32, 9));
    mfm = await open(at('tiny'), { dtype: 'float32', device: 'cpu' });
  });
  after(async () => {
    await mfm.dispose();
    rmSync(root, { recursive: true, force: true });
  });
  return { at, mfm: () => mfm };
}
