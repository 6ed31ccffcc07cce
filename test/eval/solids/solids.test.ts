import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findSolids } from '../../../src/data/miniworld/analyse.js';
import { editOf } from '../../../src/data/miniworld/edit.js';
import { renderScene } from '../../../src/data/miniworld/index.js';
import { addCounts, countNamed } from '../../../src/eval/naming.js';
import { heldOutTrial } from '../../../src/eval/scenes.js';
import { editFollowed } from '../../../src/eval/solids/edit-followed.js';
import { shapesAtEnd } from '../../../src/eval/solids/kept.js';
import type { Frames } from '../../../src/media/index.js';
import { TASKS } from '../../../src/tasks/index.js';

const SIZE = { width: 64, height: 64 };

describe('editFollowed', () => {
  test('tells followed instructions from others, of every kind, in pictures and clips', () => {
    const kinds = new Map<string, number>();
    for (const [task, numFrames] of [
      [TASKS.iedit, 1],
      [TASKS.vedit, 5],
    ] as const) {
      for (let i = 0; i < 24; i++) {
        const { truth, given, scene, prompt } = heldOutTrial(task, i, { ...SIZE, numFrames });
        const about = { input: given.known[0]!.frames, truth, scene: scene.scene };
        const followed = editFollowed(truth, about);
        if (followed === null) continue;
        const kind = /add|remove|make|into|turn/.exec(prompt)![0];
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
        assert.equal(followed, 1, prompt);
        assert.equal(editFollowed(about.input, about), 0, prompt);
        // neither does an empty picture follow, but where something is to be removed
        const empty = { ...truth, data: new Uint8Array(truth.data.length).fill(128) };
        assert.equal(editFollowed(empty, about), kind === 'remove' ? 1 : 0, prompt);
      }
    }
    assert.deepEqual([...kinds.keys()].sort(), ['add', 'make', 'remove', 'turn']);
    // what the analyser does not recognise in the true clip is rare
    assert.ok([...kinds.values()].reduce((a, b) => a + b) > 42);
  });

  test('counts frames', () => {
    const target = { ...SIZE, numFrames: 5 };
    const trial = Array.from({ length: 20 }, (_, i) => heldOutTrial(TASKS.vedit, i, target)).find(
      ({ prompt }) => prompt.startsWith('turn'),
    )!;
    const { scene } = trial.scene;
    const before = renderScene(editOf(scene).before, target).frames;
    const mixed = trial.truth.data.slice();
    mixed.set(before.subarray(0, 2 * 64 * 64 * 3));
    const input: Frames = { ...target, data: before };
    const about = { input, truth: trial.truth, scene };
    assert.equal(editFollowed({ ...target, data: mixed }, about), 3 / 5);
  });
});

describe('shapesAtEnd', () => {
  const target = { ...SIZE, numFrames: 5 };

  test('looks at the last frame alone, and asks for colour and shape', () => {
    for (let i = 0; i < 6; i++) {
      const { truth, scene } = heldOutTrial(TASKS.i2v, i, target);
      const whole = shapesAtEnd(truth, truth, scene.scene);
      assert.equal(whole!.kept, whole!.count);
      const frame = 64 * 64 * 3;
      const gray = truth.data.slice().fill(128, 0, 4 * frame);
      assert.deepEqual(shapesAtEnd({ ...target, data: gray }, truth, scene.scene), whole);
      const melted = truth.data.slice().fill(128, 4 * frame);
      assert.equal(shapesAtEnd({ ...target, data: melted }, truth, scene.scene)!.kept, 0);
    }
  });

  test('counts none where the true clip shows none', () => {
    const { truth, scene } = heldOutTrial(TASKS.i2v, 0, target);
    const empty = { ...target, data: new Uint8Array(truth.data.length).fill(128) };
    assert.equal(shapesAtEnd(truth, empty, scene.scene), null);
  });
});

describe('what is recognised in true pictures', () => {
  test('is the same at 64 and at 128 pixels, and nearly all', () => {
    const right = [64, 128].map((side) => {
      const counts = Array.from({ length: 40 }, (_, i) => {
        const target = { width: side, height: side, numFrames: 1 };
        const { truth, scene } = heldOutTrial(TASKS.t2i, i, target);
        return countNamed(scene.scene, findSolids(truth.data, truth));
      });
      const { named, colours, shapes, extra } = addCounts(counts);
      assert.ok(colours === named && extra <= 1, `${side}: ${colours} of ${named}, ${extra} more`);
      return shapes / named;
    });
    assert.ok(Math.min(...right) > 0.95, `${right}`);
  });
});
