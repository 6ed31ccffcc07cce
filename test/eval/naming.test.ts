import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { trackSolids } from '../../src/data/miniworld/analyse.js';
import { type MiniWorldSample, miniWorld, type Scene } from '../../src/data/miniworld/index.js';
import { addCounts, countNamed } from '../../src/eval/naming.js';

/** A scene of which only names and motions matter. */
function sceneOf(camera: string, ...objects: [string, string, string][]): Scene {
  const solids = objects.map(([colour, shape, motion]) => ({ colour, shape, motion }));
  return { camera: { motion: camera }, objects: solids } as unknown as Scene;
}

describe('countNamed', () => {
  const scene = sceneOf('still', ['red', 'cube', 'left'], ['blue', 'cone', 'spin']);

  test('counts colour, then shape of the solid that has the colour', () => {
    const count = countNamed(scene, [
      { colour: 'red', shape: 'sphere', motion: 'left' },
      { colour: 'blue', shape: 'cone', motion: 'still' },
      { colour: 'green', shape: 'cube', motion: 'still' },
    ]);
    assert.deepEqual(count, {
      named: 2,
      colours: 2,
      shapes: 1,
      unseenPairs: { named: 1, shapes: 1 }, // the blue cone
      motions: { named: 2, right: 2 },
      extra: 1,
    });
  });

  test('lets no shape count in another colour, and only as many solids as are named', () => {
    const count = countNamed(scene, [
      { colour: 'green', shape: 'cube' },
      { colour: 'blue', shape: 'sphere' },
      { colour: 'blue', shape: 'cone' },
      { colour: 'red', shape: 'cube' },
    ]);
    assert.deepEqual([count.colours, count.shapes, count.extra], [1, 0, 3]);
    assert.deepEqual(count.motions, { named: 2, right: 0 });
  });

  test('leaves motion out under a moving camera', () => {
    const { motions } = countNamed(sceneOf('pan left', ['red', 'cube', 'left']), []);
    assert.deepEqual(motions, { named: 0, right: 0 });
  });
});

test('of true held-out renders nearly all is found', () => {
  const clip = { width: 64, height: 64, numFrames: 9 };
  const counts = Array.from({ length: 40 }, (_, seed) => {
    const { scene, frames }: MiniWorldSample = miniWorld(seed, { ...clip, split: 'heldout' });
    return countNamed(scene, trackSolids(frames, clip));
  });
  const { named, colours, shapes, motions, extra } = addCounts(counts);
  // measured: 58 of 58, 57 of 58, 17 of 18, and none
  assert.ok(colours >= 0.95 * named, `colours: ${colours} of ${named}`);
  assert.ok(shapes >= 0.9 * named, `shapes: ${shapes} of ${named}`);
  assert.ok(motions.right >= 0.75 * motions.named, `motions: ${motions.right} of ${motions.named}`);
  assert.ok(extra <= 2, `${extra} more than named`);
});
