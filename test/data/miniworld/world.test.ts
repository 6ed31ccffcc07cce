import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { editOf } from '../../../src/data/miniworld/edit.js';
import {
  captionOf,
  drawScene,
  FAR,
  isHeldOutMotion,
  isHeldOutPair,
  MORE_SHAPES,
  motionScore,
  type Scene,
  type Solid,
} from '../../../src/data/miniworld/index.js';
import { SETTINGS } from '../../../src/data/miniworld/looks/look.js';
import { photoOf } from '../../../src/data/miniworld/looks/photo.js';
import { sceneSample } from '../../../src/data/miniworld/sample.js';
import { dimensions } from '../../../src/data/miniworld/scene.js';
import { drawWorld, renderWorld } from '../../../src/data/miniworld/world.js';

const size = { width: 64, height: 64, numFrames: 1 };
const area = size.width * size.height;
const OTHER = { look: true, moreShapes: true, solids: [1, 4] } as const;

/** Photos with coarse patterns in different colours. */
const PHOTOS = new Map(
  [0, 1, 2, 3].map((index) => [
    index,
    photoOf({
      width: 32,
      height: 24,
      data: Uint8Array.from({ length: 32 * 24 * 3 }, (_, i) => {
        const [x, y] = [Math.floor(i / 3) % 32, Math.floor(i / 96)];
        return (
          90 + 40 * ((x >> 2) % 2) + 30 * ((y >> 3) % 2) + (i % 3 === index % 3 ? 60 : 9 * index)
        );
      }),
    }),
  ]),
);

const rendered = (scene: Scene, of = size) => renderWorld(scene, of, PHOTOS);

describe('scenes with a look', () => {
  test('are the same for the same seed, and drawn from other photos alone look otherwise', () => {
    for (let seed = 0; seed < 6; seed++) {
      const scene = drawWorld(seed, OTHER);
      assert.deepEqual(scene, drawWorld(seed, OTHER));
      const of = { ...size, numFrames: 5 };
      const one = rendered(scene, of);
      assert.deepEqual(one, rendered(scene, of));
      const swapped = new Map([...PHOTOS].map(([index]) => [index, PHOTOS.get(3 - index)!]));
      const other = renderWorld(scene, of, swapped);
      assert.notDeepEqual(other.frames, one.frames);
      assert.deepEqual([other.depth, other.masks], [one.depth, one.masks]);
    }
  });

  test('have the solids, masks and moves of the plain scene of their seed', () => {
    for (let seed = 0; seed < 40; seed++) {
      const plain = drawScene(seed);
      const scene = drawWorld(seed, { look: true });
      const bare = scene.objects.map(({ pattern: _, ...solid }) => solid);
      assert.deepEqual(bare, plain.objects);
      const of = { ...size, numFrames: 3 };
      const [one, other] = [rendered(plain, of), rendered(scene, of)];
      assert.deepEqual(other.masks, one.masks);
      one.masks.forEach((id, p) => {
        if (id > 0) assert.ok(Math.abs(one.depth[p]! - other.depth[p]!) < 1e-3);
      });
      assert.equal(motionScore(plain, one, of) === 0, motionScore(scene, other, of) === 0);
    }
  });

  test('say in their captions what is around the solids, which plain scenes never do', () => {
    const seen = new Set<string>();
    const words = /photo|patterned/;
    for (let seed = 0; seed < 60; seed++) {
      const scene = drawWorld(seed, { look: true });
      const caption = captionOf(scene, 17);
      const setting = scene.look!.setting;
      seen.add(setting);
      assert.match(caption, /photo/);
      const patterned = scene.objects.filter(({ pattern }) => pattern).length;
      assert.equal(caption.match(/patterned/g)?.length ?? 0, patterned);
      assert.doesNotMatch(captionOf(drawScene(seed), 17), words);
      // without those words it is the plain scene's
      const rest = caption
        .replace(/, (on a|before a|in a|in front of a) photo\w*( \w+)?/, '')
        .replaceAll('patterned ', '');
      const plain = captionOf(drawScene(seed), 17).replace(/\ban orange/g, 'a orange');
      assert.equal(rest.replace(/\ban orange/g, 'a orange'), plain);
    }
    assert.equal(seen.size, SETTINGS.length);
  });

  test('keep all solids before the walls, also while they move and before an edit', () => {
    let walls = 0;
    for (let seed = 0; seed < 120; seed++) {
      const scene = drawWorld(seed, OTHER);
      if (!scene.look!.room) continue;
      walls++;
      for (const one of [scene, editOf(scene).before]) {
        const open = { ...one, look: { ...one.look!, room: null } };
        const of = { ...size, width: 32, height: 32, numFrames: 9 };
        assert.deepEqual(rendered(one, of).masks, rendered(open, of).masks, `seed ${seed}`);
      }
    }
    assert.ok(walls > 30);
  });

  test('have edits that change nothing but the solid that is named, and its shadow', () => {
    let pixels = 0;
    for (let seed = 0; seed < 60; seed++) {
      const scene = drawWorld(seed, OTHER);
      const { before, instruction } = editOf(scene);
      assert.deepEqual(before.look, scene.look);
      const [from, to] = [rendered(before), rendered(scene)];
      const kept = scene.objects.filter((solid) => before.objects.includes(solid));
      const isKept = (objects: Solid[], id: number) => id === 0 || kept.includes(objects[id - 1]!);
      for (let p = 0; p < area; p++) {
        const around = [p, p - 1, p + 1, p - 64, p + 64].map((q) =>
          Math.min(area - 1, Math.max(0, q)),
        );
        const same = around.every(
          (q) =>
            isKept(before.objects, from.masks[q]!) &&
            isKept(scene.objects, to.masks[q]!) &&
            (from.masks[q] === 0) === (to.masks[q] === 0),
        );
        if (!same) continue;
        assert.ok(Math.abs(from.depth[p]! - to.depth[p]!) < 1e-6, instruction);
        const behind = around.every((q) => to.masks[q] === 0);
        const solid = around.every((q) => to.masks[q]! > 0); // no edge, which shows what is behind
        for (let c = 0; c < 3; c++) {
          const [a, b] = [from.frames[p * 3 + c]!, to.frames[p * 3 + c]!];
          if (solid) assert.equal(a, b, `seed ${seed}: ${instruction}`);
          if (behind && scene.look!.setting === 'photo') assert.equal(a, b);
        }
        pixels++;
      }
      if (instruction.startsWith('turn') && !instruction.includes(' into ')) {
        assert.deepEqual(from.masks, to.masks);
        assert.deepEqual(from.depth, to.depth);
      }
    }
    assert.ok(pixels > 60 * 1000);
  });

  test('give samples whose depth and edits have the same photos', () => {
    const scene = drawWorld(3, OTHER);
    const { frames, depth } = rendered(scene);
    const clip = { ...size, data: frames };
    const sample = sceneSample(scene, clip, 'words', undefined, PHOTOS);
    assert.deepEqual(sample.depth, sceneSample(scene, clip, 'words', { depth }, PHOTOS).depth);
    const { before } = editOf(scene);
    assert.deepEqual(sample.edit!.source.data, rendered(before).frames);
  });

  test('are darker in the shadow of a solid, on the side away from the light', () => {
    let [right, wrong] = [0, 0];
    for (let seed = 0; seed < 200; seed++) {
      const scene = drawWorld(seed, { look: true });
      if (scene.look!.setting !== 'ground') continue;
      const one = rendered(scene);
      const without = rendered({ ...scene, look: { ...scene.look!, shadow: 0 } });
      let [darker, left] = [0, 0];
      const box = { left: 64, right: 0 };
      for (let p = 0; p < area; p++) {
        const x = p % 64;
        if (one.masks[p]) {
          box.left = Math.min(box.left, x);
          box.right = Math.max(box.right, x);
        }
        const change = one.frames[p * 3 + 1]! - without.frames[p * 3 + 1]!;
        assert.ok(change <= 0);
        if (change < -3 && one.masks[p] === 0) {
          darker++;
          left += x;
        }
      }
      // of one that stands for itself on the ground
      if (scene.objects.length !== 1 || scene.objects[0]!.motion === 'up' || darker < 20) continue;
      const middle = (box.left + box.right) / 2;
      if (left / darker > middle === scene.light[0] < 0) right++;
      else wrong++; // the solid may hide most of its shadow
    }
    assert.ok(right > 10 && wrong < 0.2 * right, `${right} ${wrong}`);
  });
});

describe('more shapes', () => {
  /** The distance of a point from a solid's surface, in coordinates of the solid. */
  const away: Record<
    (typeof MORE_SHAPES)[number],
    (s: Solid, x: number, y: number, z: number) => number
  > = {
    torus: ({ radius, height }, x, y, z) =>
      Math.hypot(Math.hypot(x, y - height / 2) - (height / 2 - radius), z) - radius,
    capsule: ({ radius, height }, x, y, z) =>
      Math.hypot(x, y - Math.min(Math.max(y, radius), height - radius), z) - radius,
    pyramid: ({ radius, height }, x, y, z) =>
      Math.max(-y, (Math.max(Math.abs(x), Math.abs(z)) - radius * (1 - y / height)) * Math.SQRT1_2),
  };

  test('have the depth at which a ray meets their surface, and their box around them', () => {
    const pixels = { torus: 0, pyramid: 0, capsule: 0 };
    for (let seed = 0; seed < 150; seed++) {
      const scene = drawScene(seed, { moreShapes: true, solids: [1, 2], image: true });
      const { depth, masks } = rendered(scene);
      const { yaw, focal } = scene.camera;
      const turn = yaw[0] + (yaw[1] - yaw[0]) * scene.stillTime;
      const zoom = 64 * (focal[0] + (focal[1] - focal[0]) * scene.stillTime);
      for (let p = 0; p < depth.length; p++) {
        const solid = scene.objects[masks[p]! - 1];
        if (!solid || !(solid.shape in away)) continue;
        const shape = solid.shape as (typeof MORE_SHAPES)[number];
        const t = depth[p]!;
        const u = ((p % 64) + 0.5 - 32) / zoom;
        const v = (31.5 - Math.floor(p / 64)) / zoom;
        const ahead = (Math.cos(0.3) + v * Math.sin(0.3)) * t;
        const foot = solid.start.map((s, i) => s + solid.move[i]! * scene.stillTime);
        const x = u * t * Math.cos(turn) + ahead * Math.sin(turn) - foot[0]!;
        const y = 2.7 + (v * Math.cos(0.3) - Math.sin(0.3)) * t - foot[1]!;
        const z = -u * t * Math.sin(turn) + ahead * Math.cos(turn) - foot[2]!;
        const own = solid.turn + solid.turnBy * scene.stillTime;
        const [c, s] = [Math.cos(own), Math.sin(own)];
        const gap = away[shape](solid, x * c - z * s, y, x * s + z * c);
        assert.ok(Math.abs(gap) < 2e-3, `seed ${seed}: ${gap} from a ${shape}`);
        assert.ok(Math.hypot(x, z) < solid.reach + 1e-3 && y < solid.height + 1e-3);
        pixels[shape]++;
      }
    }
    for (const [shape, count] of Object.entries(pixels))
      assert.ok(count > 500, `${shape} ${count}`);
  });

  test('show the hole of a torus, and the other shapes whole', () => {
    const [scene] = [drawScene(1)];
    const solid = (shape: Solid['shape']): Solid => ({
      ...scene.objects[0]!,
      ...dimensions(shape, 1.9),
      shape,
      start: [0, 0, 5],
      move: [0, 0, 0],
      turn: 0,
      turnBy: 0,
    });
    const camera = { motion: 'still', yaw: [0, 0], focal: [1.35, 1.35] } as Scene['camera'];
    const rowsWithGap = (shape: Solid['shape']) => {
      const { masks } = rendered({ ...scene, camera, objects: [solid(shape)] });
      let rows = 0;
      for (let row = 0; row < 64; row++) {
        const line = [...masks.subarray(row * 64, row * 64 + 64)].join('');
        if (/10+1/.test(line)) rows++;
      }
      return rows;
    };
    assert.ok(rowsWithGap('torus') > 5);
    assert.equal(rowsWithGap('pyramid') + rowsWithGap('capsule'), 0);
  });

  test('come only where they are asked for, with two to four solids if wanted', () => {
    const counts = new Map<number, number>();
    const shapes = new Set<string>();
    for (let seed = 0; seed < 400; seed++) {
      const { objects } = drawScene(seed, { moreShapes: true, solids: [2, 4] });
      counts.set(objects.length, (counts.get(objects.length) ?? 0) + 1);
      for (const { shape } of objects) shapes.add(shape);
      for (const { shape } of drawScene(seed, { maxObjects: 3 }).objects) {
        assert.ok(!(MORE_SHAPES as readonly string[]).includes(shape));
      }
    }
    assert.equal(shapes.size, 7);
    // a few scenes have no room for all
    assert.ok((counts.get(1) ?? 0) < 20, JSON.stringify([...counts]));
    for (const count of [2, 3, 4]) assert.ok(counts.get(count)! > 40, JSON.stringify([...counts]));
    assert.throws(() => drawScene(1, { solids: [3, 2] }), /solids must be two numbers from 1 to 4/);
    assert.throws(() => drawScene(1, { solids: [1, 5] }), { name: 'InputError' });
  });

  test('keep held-out combinations out of training, and of what an edit begins with', () => {
    let more = 0;
    for (let seed = 0; seed < 1500; seed++) {
      const train = drawWorld(seed, OTHER);
      for (const scene of [train, editOf(train).before]) {
        for (const { colour, shape, motion } of scene.objects) {
          assert.ok(!isHeldOutPair(colour, shape), `seed ${seed}`);
          if (scene === train) assert.ok(!isHeldOutMotion(motion, scene.camera.motion));
        }
      }
      const heldOut = drawScene(seed, { split: 'heldout', moreShapes: true, solids: [1, 4] });
      const pairs = heldOut.objects.filter(({ colour, shape }) => isHeldOutPair(colour, shape));
      const motions = heldOut.objects.filter(({ motion }) =>
        isHeldOutMotion(motion, heldOut.camera.motion),
      );
      assert.ok(pairs.length + motions.length > 0, `seed ${seed}`);
      more += pairs.filter(({ shape }) =>
        (MORE_SHAPES as readonly string[]).includes(shape),
      ).length;
    }
    assert.ok(more > 300, String(more));
  });

  test('are nowhere nearer than what is painted before them', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { depth } = rendered(drawWorld(seed, OTHER));
      assert.ok(depth.every((t) => t > 0 && t <= FAR));
    }
  });
});
