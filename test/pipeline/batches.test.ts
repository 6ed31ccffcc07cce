import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Frames } from '../../src/media/index.js';
import { givenOfTile, type Tile, tileGrids } from '../../src/pipeline/generate/tiles.js';
import { openPipeline, type Pipeline } from '../../src/pipeline/index.js';
import type { SampleRequest } from '../../src/pipeline/pipeline.js';
import { conditionOf, given, TASKS } from '../../src/tasks/index.js';
import { memoryInfo } from '../../src/tensor/index.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-batches-'));
let pipeline: Pipeline;
before(() => {
  saveTinyPipeline(join(root, 'tiny'));
  pipeline = openPipeline(join(root, 'tiny'), { dtype: 'float32' });
});
after(() => {
  pipeline.dispose();
  rmSync(root, { recursive: true, force: true });
});

const all = { width: 96, height: 48 };
const picture: Frames = {
  ...all,
  numFrames: 1,
  data: Uint8Array.from({ length: all.width * all.height * 3 }, (_, i) => (i * 7919) % 256),
};
const whole = given({ known: [{ frames: picture, at: [0], hole: null }] });

interface Wanted {
  tile: { width: number; height: number };
  grids: Tile[][];
  samples: number;
  changes?: Partial<SampleRequest>;
}

const conditionIn = (tile: Wanted['tile'], place: Tile) =>
  conditionOf(givenOfTile(whole, place, tile), { ...tile, numFrames: 1 });

const request: SampleRequest = {
  task: TASKS.isr,
  prompts: ['a red cube'],
  conditions: [],
  target: { ...all, numFrames: 1 },
  numInferenceSteps: 3,
  guidanceScale: 2,
  motionScore: 0,
  seed: 5,
};

async function inTiles({ tile, grids, samples, changes }: Wanted): Promise<Float32Array> {
  const conditionOfTile = (place: Tile) => conditionIn(tile, place);
  const tiling = { tile, grids, samples, conditionOf: conditionOfTile };
  const latents = await pipeline.denoise({ ...request, ...changes, tiling });
  const values = latents.toFloat32Array();
  latents.dispose();
  return values;
}

/** float32 sums in another order */
function assertNear(found: Float32Array, wanted: Float32Array): void {
  assert.equal(found.length, wanted.length);
  found.forEach((value, i) => {
    assert.ok(Math.abs(value - wanted[i]!) < 1e-4, `value ${i}: ${value} for ${wanted[i]}`);
  });
}

describe('denoising in tiles', () => {
  const tile = { width: 48, height: 32 };
  const grids = tileGrids(all, tile);

  test('one tile of the whole picture gives what is made without tiles', async () => {
    const conditions = [conditionIn(all, { left: 0, top: 0 })];
    const latents = await pipeline.denoise({ ...request, conditions });
    const expected = latents.toFloat32Array();
    for (const tensor of [latents, ...Object.values(conditions[0]!)]) tensor.dispose();
    assertNear(await inTiles({ tile: all, grids: [[{ left: 0, top: 0 }]], samples: 1 }), expected);
  });

  test('gives the same however many tiles are made together', async () => {
    const changes = { guidanceRange: [1, 0.5] as const };
    const alone = await inTiles({ tile, grids, samples: 1, changes });
    assertNear(await inTiles({ tile, grids, samples: 4, changes }), alone);
    // as many rows as tokens: nothing is taken for rows that has none
    assertNear(await inTiles({ tile, grids, samples: 3, changes }), alone);
  });

  test('uses the grids in turn', async () => {
    const [first, second] = [grids[0]!, grids[1]!];
    const one = await inTiles({ tile, grids: [first], samples: 4 });
    const two = await inTiles({ tile, grids: [first, second], samples: 4 });
    assert.notDeepEqual(one, two);
    const twice = await inTiles({ tile, grids: [first, first], samples: 4 });
    assert.deepEqual(twice, one);
  });

  test('stops between batches, and leaves no tensor behind', async () => {
    await inTiles({ tile, grids, samples: 2 });
    const { tensors } = memoryInfo();
    await inTiles({ tile, grids, samples: 2, changes: { cacheThreshold: 0.1 } });
    assert.equal(memoryInfo().tensors, tensors);
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error('enough'));
    const stopped = inTiles({
      tile,
      grids,
      samples: 2,
      changes: { signal: controller.signal, onProgress },
    });
    await assert.rejects(stopped, /enough/);
    assert.equal(memoryInfo().tensors, tensors);
  });
});
