import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { editOf } from '../../../src/data/miniworld/edit.js';
import {
  drawScene,
  isHeldOutPair,
  renderScene,
  type Scene,
  type Solid,
  type Split,
} from '../../../src/data/miniworld/index.js';
import { dimensions } from '../../../src/data/miniworld/scene.js';
import { SIZES } from '../../../src/data/miniworld/vocabulary.js';

const SEEDS = 300;
const SPLITS = ['train', 'heldout'] as const;

const scenes = (split: Split): Scene[] =>
  Array.from({ length: SEEDS }, (_, seed) => drawScene(seed, { split, maxObjects: 3 }));

type Kind = 'colour' | 'shape' | 'size' | 'add' | 'remove';

/** The kind of an instruction, and what the solids become when it is followed. */
function follow(instruction: string, before: Solid[], after: Solid[]): [Kind, Solid[]] {
  const match = (pattern: RegExp) => pattern.exec(instruction)?.slice(1);
  /** the one solid that is meant, changed */
  const change = (colour: string, shape: string, changes: (solid: Solid) => Partial<Solid>) => {
    const meant = before.filter((one) => one.colour === colour && one.shape === shape);
    assert.equal(meant.length, 1, `${instruction}: one solid is meant`);
    return before.map((one) => (one === meant[0] ? { ...one, ...changes(one) } : one));
  };
  const named = (size: string, colour: string, shape: string) =>
    after.filter((one) => one.size === size && one.colour === colour && one.shape === shape);

  const shaped = match(/^turn the (\w+) (\w+) into a (\w+)$/);
  if (shaped) {
    const shape = shaped[2] as Solid['shape'];
    const turn = ({ size }: Solid) => ({ shape, ...dimensions(shape, SIZES[size]) });
    return ['shape', change(shaped[0]!, shaped[1]!, turn)];
  }
  const coloured = match(/^turn the (\w+) (\w+) (\w+)$/);
  if (coloured) {
    const colour = coloured[2] as Solid['colour'];
    return ['colour', change(coloured[0]!, coloured[1]!, () => ({ colour }))];
  }
  const sized = match(/^make the (\w+) (\w+) (\w+)$/);
  if (sized) {
    const size = sized[2] as Solid['size'];
    const make = ({ shape }: Solid) => ({ size, ...dimensions(shape, SIZES[size]) });
    return ['size', change(sized[0]!, sized[1]!, make)];
  }
  const added = match(/^add a (\w+) (\w+) (\w+)$/);
  if (added) {
    const [solid, ...others] = named(added[0]!, added[1]!, added[2]!);
    assert.ok(solid && others.length === 0, instruction);
    return ['add', before.toSpliced(after.indexOf(solid), 0, solid)];
  }
  const removed = match(/^remove the (\w+) (\w+)$/);
  assert.ok(removed, `${instruction}: is of no known form`);
  const meant = before.filter((one) => one.colour === removed[0] && one.shape === removed[1]);
  assert.equal(meant.length, 1, `${instruction}: one solid is meant`);
  return ['remove', before.filter((one) => one !== meant[0])];
}

describe('editOf', () => {
  for (const split of SPLITS) {
    test(`following the instruction leads to the scene, and to nothing else: ${split}`, () => {
      const kinds = new Map<Kind, number>();
      for (const scene of scenes(split)) {
        const { before, instruction } = editOf(scene);
        const [kind, objects] = follow(instruction, before.objects, scene.objects);
        assert.notDeepEqual(before.objects, scene.objects, instruction);
        assert.deepEqual({ ...before, objects }, scene, instruction);
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
      assert.equal(kinds.size, 5);
      // one in five each, were there always room to add or a solid to spare
      for (const [kind, count] of kinds) assert.ok(count > SEEDS / 20, `${kind}: ${count}`);
    });
  }

  test('no solid before the edit of a training scene is a held-out pair', () => {
    for (const scene of scenes('train')) {
      for (const { colour, shape } of editOf(scene).before.objects) {
        assert.ok(!isHeldOutPair(colour, shape), `seed ${scene.seed}: ${colour} ${shape}`);
      }
    }
  });

  test('colours stay apart, so that an instruction names one solid', () => {
    for (const scene of SPLITS.flatMap(scenes)) {
      const colours = editOf(scene).before.objects.map(({ colour }) => colour);
      assert.equal(new Set(colours).size, colours.length);
    }
  });

  test('an edit can be seen', () => {
    const size = { width: 64, height: 64, numFrames: 1 };
    for (const scene of SPLITS.flatMap(scenes)) {
      const { before, instruction } = editOf(scene);
      const [a, b] = [before, scene].map((one) => renderScene(one, size).frames);
      let changed = 0;
      for (let i = 0; i < a!.length; i += 3) {
        const difference = [0, 1, 2].map((c) => Math.abs(a![i + c]! - b![i + c]!));
        if (Math.max(...difference) > 8) changed++;
      }
      assert.ok(changed >= 12, `${scene.split} ${scene.seed}, ${instruction}: ${changed} pixels`);
    }
  });

  test('the same seed gives the same edit, another split another', () => {
    const edits = SPLITS.map((split) => scenes(split).map(editOf));
    assert.deepEqual(edits[0], scenes('train').map(editOf));
    const same = edits[0]!.filter((edit, i) => edit.instruction === edits[1]![i]!.instruction);
    assert.ok(same.length < SEEDS / 10, String(same.length));
  });
});
