import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  COLOUR_NAMES,
  COLOURS,
  captionOf,
  drawScene,
  FAR,
  isHeldOutMotion,
  isHeldOutPair,
  miniWorld,
  motionScore,
  renderScene,
  type Scene,
  SHAPES,
} from '../../../src/data/miniworld/index.js';
import { InputError } from '../../../src/errors.js';

const clip = { width: 64, height: 64, numFrames: 9 };

function hasHeldOutPair(scene: Scene): boolean {
  return scene.objects.some(({ colour, shape }) => isHeldOutPair(colour, shape));
}

function hasHeldOutMotion(scene: Scene): boolean {
  return scene.objects.some(({ motion }) => isHeldOutMotion(motion, scene.camera.motion));
}

describe('miniWorld', () => {
  test('makes the same sample from the same seed, another from another', () => {
    const a = miniWorld(7, clip);
    assert.deepEqual(a, miniWorld(7, clip));
    assert.notDeepEqual(a.frames, miniWorld(8, clip).frames);
    assert.notDeepEqual(a.frames, miniWorld(7, { ...clip, split: 'heldout' }).frames);
    assert.notDeepEqual(a.scene, miniWorld(7 + 2 ** 40, clip).scene);
  });

  test('shows the same scene at every size', () => {
    for (let seed = 0; seed < 10; seed++) {
      const small = miniWorld(seed, { ...clip, numFrames: 5 });
      const large = miniWorld(seed, { width: 192, height: 192, numFrames: 5 });
      assert.deepEqual(small.scene, large.scene);
      assert.equal(small.caption, large.caption);
      // a pixel of the small frames has the centre of the middle one of 3x3 of the large frames
      let differ = 0;
      for (let f = 0; f < 5; f++) {
        for (let y = 0; y < 64; y++) {
          for (let x = 0; x < 64; x++) {
            const p = (f * 64 + y) * 64 + x;
            const q = (f * 192 + 3 * y + 1) * 192 + 3 * x + 1;
            differ += small.masks[p] !== large.masks[q] ? 1 : 0;
            if (small.masks[p] === large.masks[q]) {
              assert.ok(Math.abs(small.depth[p] - large.depth[q]) < 1e-4);
            }
          }
        }
      }
      assert.ok(differ <= 5, `seed ${seed}: ${differ} pixels`); // rounding at outlines
    }
  });

  test('fits any shape of frame and length', () => {
    for (const [width, height, numFrames] of [
      [96, 48, 1],
      [48, 80, 2],
      [16, 16, 33],
      [1, 1, 3],
    ]) {
      const { frames, depth, masks } = miniWorld(1, { width, height, numFrames });
      assert.equal(frames.length, 3 * width * height * numFrames);
      assert.equal(depth.length, width * height * numFrames);
      assert.equal(masks.length, width * height * numFrames);
    }
  });

  test('gives the nearest solid its depth and mask where solids overlap', () => {
    let overlaps = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { scene, depth, masks } = miniWorld(seed, { ...clip, numFrames: 5 });
      // each solid alone: its depth is what the whole scene must take the nearest of
      const alone = scene.objects.map((solid) =>
        renderScene({ ...scene, objects: [solid] }, { ...clip, numFrames: 5 }),
      );
      const empty = renderScene({ ...scene, objects: [] }, { ...clip, numFrames: 5 });
      for (let p = 0; p < depth.length; p++) {
        const depths = alone.map((one) => (one.masks[p] ? one.depth[p] : Infinity));
        const nearest = Math.min(...depths);
        if (nearest === Infinity) {
          assert.equal(masks[p], 0);
          assert.equal(depth[p], empty.depth[p]);
        } else {
          overlaps += depths.filter((value) => value < Infinity).length > 1 ? 1 : 0;
          assert.equal(depth[p], nearest);
          assert.equal(masks[p], 1 + depths.indexOf(nearest));
        }
        assert.ok(depth[p] > 0 && depth[p] <= FAR);
      }
    }
    assert.ok(overlaps > 100, `${overlaps} pixels`);
  });

  test('has the depth of a ray meeting the sphere or the ground', () => {
    // independent of the painter: points from pixels by the camera's formula in view.ts
    let seen = 0;
    for (let seed = 0; seed < 60; seed++) {
      const { scene, depth, masks } = miniWorld(seed, { ...clip, numFrames: 1, maxObjects: 1 });
      const [solid] = scene.objects;
      const { yaw, focal } = scene.camera;
      const turn = yaw[0] + (yaw[1] - yaw[0]) * scene.stillTime;
      const zoom = 64 * (focal[0] + (focal[1] - focal[0]) * scene.stillTime);
      for (let p = 0; p < depth.length; p += 7) {
        const u = ((p % 64) + 0.5 - 32) / zoom;
        const v = (31.5 - Math.floor(p / 64)) / zoom;
        const t = depth[p];
        const ahead = (Math.cos(0.3) + v * Math.sin(0.3)) * t;
        const x = u * t * Math.cos(turn) + ahead * Math.sin(turn);
        const y = 2.7 + (v * Math.cos(0.3) - Math.sin(0.3)) * t;
        const z = -u * t * Math.sin(turn) + ahead * Math.cos(turn);
        if (masks[p] === 0 && t < FAR) {
          assert.ok(Math.abs(y) < 1e-4, `ground at ${y}`);
        } else if (masks[p] === 1 && solid.shape === 'sphere') {
          const [cx, cy, cz] = solid.start.map((s, i) => s + solid.move[i] * scene.stillTime);
          const r = Math.hypot(x - cx, y - cy - solid.radius, z - cz);
          assert.ok(Math.abs(r - solid.radius) < 1e-4, `${r} from the centre`);
          seen++;
        }
      }
    }
    assert.ok(seen > 50);
  });

  test('shows what its caption says', () => {
    for (let seed = 0; seed < 60; seed++) {
      const { caption, scene, frames, masks } = miniWorld(seed, clip);
      const colours = caption.split(/\W+/).filter((word) => word in COLOURS);
      assert.deepEqual(
        colours,
        scene.objects.map(({ colour }) => colour),
      );
      assert.deepEqual(
        caption.split(/\W+/).filter((word) => (SHAPES as readonly string[]).includes(word)),
        scene.objects.map(({ shape }) => shape),
      );
      scene.objects.forEach((solid, i) => {
        // the mean colour of its pixels is nearest to the colour named
        const sum = [0, 0, 0];
        let count = 0;
        masks.forEach((id, p) => {
          if (id === i + 1) {
            count++;
            for (let c = 0; c < 3; c++) {
              sum[c] += frames[p * 3 + c];
            }
          }
        });
        assert.ok(count > 25 * clip.numFrames, `seed ${seed}: ${count} pixels`);
        const angle = (name: (typeof COLOUR_NAMES)[number]) => {
          const rgb = COLOURS[name];
          const dot = rgb.reduce((s, value, c) => s + value * sum[c], 0);
          return dot / Math.hypot(...rgb) / Math.hypot(...sum);
        };
        const nearest = COLOUR_NAMES.reduce((a, b) => (angle(b) > angle(a) ? b : a));
        assert.equal(nearest, solid.colour);
      });
      const camera = scene.camera.motion;
      if (camera !== 'still') {
        assert.ok(caption.endsWith(`the camera ${camera.replace(' ', 's ')}`), caption);
      }
    }
  });

  test('moves solids on the frame as the caption says', () => {
    for (let seed = 0; seed < 80; seed++) {
      const { scene, masks, caption } = miniWorld(seed, { ...clip, maxObjects: 1 });
      const [solid] = scene.objects;
      const place = (f: number) => {
        let [count, x, y] = [0, 0, 0];
        for (let p = 0; p < 64 * 64; p++) {
          if (masks[f * 64 * 64 + p]) {
            count++;
            x += p % 64;
            y += Math.floor(p / 64);
          }
        }
        return { count, x: x / count, y: y / count };
      };
      const [first, last] = [place(0), place(8)];
      const zooms = scene.camera.motion.startsWith('zoom');
      if (solid.motion === 'left') assert.ok(last.x < first.x - 4, caption);
      if (solid.motion === 'right') assert.ok(last.x > first.x + 4, caption);
      if (solid.motion === 'up') assert.ok(last.y < first.y - 4, caption);
      if (solid.motion === 'toward' && !zooms) assert.ok(last.count > first.count * 1.2, caption);
      if (solid.motion === 'away' && !zooms) assert.ok(last.count < first.count / 1.2, caption);
    }
  });

  test('says "behind" and "in front of" only where masks touch in that order', () => {
    let said = 0;
    for (let seed = 0; seed < 150; seed++) {
      const scene = drawScene(seed);
      const caption = captionOf(scene, 9);
      const behind = / behind /.test(caption);
      if (!behind && !/ in front of /.test(caption)) {
        continue;
      }
      said++;
      const { masks } = renderScene(scene, clip);
      const [farther, nearer] = behind ? [0, 1] : [1, 0];
      const whole = renderScene({ ...scene, objects: [scene.objects[farther]] }, clip).masks;
      let [hidden, wrong] = [0, 0];
      whole.forEach((id, p) => {
        hidden += id && masks[p] === nearer + 1 ? 1 : 0;
      });
      const other = renderScene({ ...scene, objects: [scene.objects[nearer]] }, clip).masks;
      other.forEach((id, p) => {
        wrong += id && masks[p] === farther + 1 ? 1 : 0;
      });
      assert.ok(hidden > 0, caption);
      assert.equal(wrong, 0, caption);
    }
    assert.ok(said > 15, `${said}`);
  });

  test('has no word of motion in an image caption', () => {
    for (let seed = 0; seed < 200; seed++) {
      const { caption, motionScore } = miniWorld(seed, { width: 16, height: 16, numFrames: 1 });
      assert.doesNotMatch(caption, /move|slide|rise|float|spin|turn|come|rest|stand|camera/);
      assert.equal(motionScore, 0);
    }
  });

  test('scores motion as the flow of the pixels', () => {
    // a pan turns the sky by the same angle everywhere: closed formula at the middle of the frame
    const scene = { ...drawScene(0), objects: [] };
    const panned: Scene = {
      ...scene,
      camera: { motion: 'pan right', yaw: [0, 0.16], focal: [1.35, 1.35] },
    };
    const still: Scene = {
      ...scene,
      camera: { motion: 'still', yaw: [0, 0], focal: [1.35, 1.35] },
    };
    const of = (s: Scene) => motionScore(s, renderScene(s, clip), clip);
    assert.equal(of(still), 0);
    const middle = 64 * 1.35 * 0.02 * Math.cos(0.3); // 0.02 rad per frame, seen 0.3 rad down
    assert.ok(Math.abs(of(panned) / middle - 1) < 0.1, `${of(panned)} against ${middle}`);
  });

  test('keeps held-out combinations out of training and in every held-out scene', () => {
    let [pairs, motions] = [0, 0];
    for (let seed = 0; seed < 3000; seed++) {
      const train = drawScene(seed, { maxObjects: 3 });
      assert.ok(train.objects.length >= 1);
      assert.ok(!hasHeldOutPair(train) && !hasHeldOutMotion(train), `train seed ${seed}`);
      const clipScene = drawScene(seed, { split: 'heldout', maxObjects: 3 });
      assert.ok(hasHeldOutPair(clipScene) || hasHeldOutMotion(clipScene), `seed ${seed}`);
      pairs += hasHeldOutPair(clipScene) ? 1 : 0;
      motions += hasHeldOutMotion(clipScene) ? 1 : 0;
      assert.ok(hasHeldOutPair(drawScene(seed, { split: 'heldout', image: true })));
    }
    assert.ok(pairs > 1000 && motions > 800, `${pairs} pairs, ${motions} motions`);
  });

  test('rejects what it cannot draw', () => {
    assert.throws(() => miniWorld(-1, clip), InputError);
    assert.throws(() => miniWorld(1.5, clip), InputError);
    assert.throws(() => miniWorld(1, { ...clip, width: 0 }), /width/);
    assert.throws(() => miniWorld(1, { ...clip, maxObjects: 4 }), InputError);
  });
});
