/** Commands that measure and prepare, with `--device`: what they find is what they find on the CPU. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import * as data from '../../src/cli/commands/data/data.js';
import * as depth from '../../src/cli/commands/depth/depth.js';
import { run as runEval } from '../../src/cli/commands/eval/eval.js';
import { args as evalArgs } from '../../src/cli/commands/eval/options.js';
import * as lora from '../../src/cli/commands/lora.js';
import { parseArgs } from '../../src/cli/terminal/args.js';
import type { Report } from '../../src/eval/report-format.js';
import { readDepth, writeImage } from '../../src/media/index.js';
import { openSafetensors } from '../../src/tensor/index.js';
import { noisy, writeFolder } from '../cli/commands/generate/generating.js';
import { quietly } from '../cli/quietly.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';
import { saveTinyDepthModel } from '../models/depth-anything/tiny.js';
import { saveTinyLora } from '../pipeline/tiny-lora.js';
import { temporaryFolder } from '../temp-folder.js';
import { counts, noShadow, resetCounts, SHADOW } from './shadow.js';

const root = temporaryFolder();
const at = (...names: string[]) => join(root, ...names);
const DEVICES = ['cpu', SHADOW];

/** Runs a command on a device, which must succeed, and on no other. */
async function onDevice(
  device: string,
  { args, run }: { args: unknown; run: (options: never) => unknown },
  words: string[],
): Promise<void> {
  resetCounts();
  const all = [...words, '--device', device];
  const { exitCode, message } = await quietly(() =>
    (run as (options: unknown) => Promise<number>)(parseArgs('mfm', args as never, all)),
  );
  assert.equal(exitCode, 0, message);
  assert.equal(counts().operators > 0, device === SHADOW);
}

const near = (a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number): void => {
  assert.equal(a.length, b.length);
  for (let i = 0; i < b.length; i++) {
    assert.ok(Math.abs(a[i]! - b[i]!) <= tolerance, `${i}: ${a[i]}, not ${b[i]}`);
  }
};

describe('on a second device', { skip: noShadow }, () => {
  before(async () => {
    process.env.HF_HUB_CACHE = at('hub'); // no network that this machine happens to have
    saveTinyPipeline(at('tiny'), { usesDepth: true });
    saveTinyDepthModel(at('model'));
    saveTinyLora(at('lora'), { pipeline: at('tiny') });
    await writeImage(at('photo.png'), noisy(48, 32));
    mkdirSync(at('in'));
    await writeFolder(at('in', 'clip'), noisy(48, 32, 5));
    await writeImage(at('in', 'photo.png'), noisy(48, 32));
  });

  test('mfm eval measures the same', async () => {
    const reports: Report[] = [];
    for (const [i, device] of DEVICES.entries()) {
      const words = [at('tiny'), '--tasks', 'isr,i2v', '--scenes', '2', '--batch-size', '2'];
      const more = ['--dtype', 'float32', '-o', at(`eval${i}`)];
      await onDevice(device, { args: evalArgs, run: runEval }, [...words, ...more]);
      reports.push(JSON.parse(readFileSync(at(`eval${i}`, 'report.json'), 'utf8')));
    }
    assert.deepEqual(
      reports.map(({ settings }) => settings.device),
      DEVICES,
    );
    for (const [i, task] of reports[0]!.tasks.entries()) {
      const [here, there] = [task, reports[1]!.tasks[i]!].map(({ headline }) => headline!.made);
      // a byte of a picture may be rounded to its neighbour
      assert.ok(Math.abs(here! - there!) < 0.02, `${task.task}`);
    }
  });

  test('mfm depth estimates the same', async () => {
    const maps: Float32Array[] = [];
    for (const [i, device] of DEVICES.entries()) {
      const words = ['-i', at('photo.png'), '-o', at(`depth${i}.safetensors`)];
      const model = ['--depth-model', at('model'), '--dtype', 'float32'];
      await onDevice(device, depth, [...words, ...model]);
      maps.push((await readDepth(at(`depth${i}.safetensors`))).data);
    }
    near(maps[1]!, maps[0]!, 1e-4);
  });

  test('mfm data prepare stores depth', async () => {
    const words = ['prepare', at('in'), '-o', at('prepared'), '--depth-model', at('model')];
    await onDevice(SHADOW, data, [...words, '--min-seconds', '0']);
  });

  test('mfm lora merge changes the same weights', async () => {
    for (const [i, device] of DEVICES.entries()) {
      const words = ['merge', at('tiny'), '--lora', at('lora'), '-o', at(`merged${i}`)];
      await onDevice(device, lora, words);
    }
    const file = 'transformer/diffusion_pytorch_model.safetensors';
    const [here, there] = [0, 1].map((i) => openSafetensors(at(`merged${i}`, file)));
    for (const key of here!.keys()) {
      near(there!.get(key).toFloat32Array(), here!.get(key).toFloat32Array(), 1e-5);
    }
    assert.equal(counts().heldBytes, 0);
  });
});
