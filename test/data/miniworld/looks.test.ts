import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { FAR, miniWorld } from '../../../src/data/miniworld/index.js';
import { drawLookScene, type LookScene } from '../../../src/data/miniworld/looks/draw-look.js';
import { surfacesOf } from '../../../src/data/miniworld/looks/look.js';
import { colourAt, photoOf } from '../../../src/data/miniworld/looks/photo.js';
import { findPhotos, PhotoShelf } from '../../../src/data/miniworld/looks/photo-files.js';
import { renderLook } from '../../../src/data/miniworld/looks/render-look.js';
import { drawWorldLook, lookOf } from '../../../src/data/miniworld/looks/world-look.js';
import { RandomStream } from '../../../src/data/random.js';
import { writeImage } from '../../../src/media/index.js';
import { temporaryFolder } from '../../temp-folder.js';

const size = { width: 48, height: 32, numFrames: 1 };

/** Red to the left, blue to the right, with a fine pattern of green. */
const PHOTO = photoOf({
  width: 32,
  height: 16,
  data: Uint8Array.from({ length: 32 * 16 * 3 }, (_, i) => {
    const x = Math.floor(i / 3) % 32;
    return i % 3 === 1 ? (x % 2) * 200 : (i % 3 === 0) === x < 16 ? 240 : 10;
  }),
});

const drawn = (seed: number, photos = [0]): LookScene =>
  drawLookScene(new RandomStream(seed, 'look'), { photos, aspect: 1.5 });

const rendered = ({ scene, look }: LookScene, of = size) =>
  renderLook(scene, look, new Map([[0, PHOTO]]), of);

/** The ray of a pixel: right, up and ahead of the camera, in the world. */
function rayOf({ scene, look }: LookScene, x: number, y: number, { width, height } = size) {
  const { pitch, roll } = look.camera;
  const step = 1 / (Math.min(width, height) * scene.camera.focal[0]);
  const [a, b] = [(x + 0.5 - width / 2) * step, -(y + 0.5 - height / 2) * step];
  const across = a * Math.cos(roll) - b * Math.sin(roll);
  const up = a * Math.sin(roll) + b * Math.cos(roll);
  return {
    x: across,
    y: up * Math.cos(pitch) - Math.sin(pitch),
    z: Math.cos(pitch) + up * Math.sin(pitch),
  };
}

test('scenes without a look are what they have always been', () => {
  const hash = createHash('sha256');
  for (const split of ['train', 'heldout'] as const) {
    for (let seed = 0; seed < 12; seed++) {
      const numFrames = seed % 2 ? 1 : 5;
      const scene = miniWorld(seed, { ...size, numFrames, split, maxObjects: 3 });
      const millis = Uint16Array.from(scene.depth, (distance) => Math.round(distance * 1000));
      hash.update(scene.frames).update(scene.masks).update(millis).update(scene.caption);
    }
  }
  assert.equal(hash.digest('hex').slice(0, 16), '3abb8436eeee0b88');
});

describe('renderLook', () => {
  test('gives ground and walls the distance at which the pixel’s ray meets them', () => {
    let [ground, walls, sky] = [0, 0, 0];
    for (let seed = 0; seed < 30; seed++) {
      const one = drawn(seed);
      const { room, camera } = one.look;
      const { depth, masks } = rendered(one);
      for (let p = 0; p < depth.length; p += 7) {
        if (masks[p] !== 0) continue;
        const ray = rayOf(one, p % size.width, Math.floor(p / size.width));
        const found = depth[p]!;
        const foot = camera.height + ray.y * found;
        if (found === FAR) {
          assert.equal(room, null);
          assert.ok(foot > -1e-3, `${foot}: the ground is nearer`);
          sky++;
        } else if (Math.abs(foot) < 1e-3) ground++;
        else {
          const { turn, left, right, back, front, ceiling } = room!;
          const x = (ray.x * Math.cos(turn) - ray.z * Math.sin(turn)) * found;
          const z = (ray.x * Math.sin(turn) + ray.z * Math.cos(turn)) * found;
          const gaps = [x + left, right - x, back - z, z + front, ceiling - foot, foot];
          const least = Math.min(...gaps);
          assert.ok(Math.abs(least) < 1e-3, `seed ${seed}: ${least} from the nearest wall`);
          walls++;
        }
      }
    }
    assert.ok(ground > 500 && walls > 500 && sky > 500, `${ground} ${walls} ${sky}`);
  });

  test('changes neither depth nor masks of a scene of MiniWorld', () => {
    for (let seed = 0; seed < 12; seed++) {
      const of = { ...size, numFrames: 5 };
      const { scene, depth, masks, frames } = miniWorld(seed, of);
      const look = drawWorldLook(new RandomStream(seed, 'look'), scene, 'ground');
      const other = renderLook(scene, lookOf(look, scene.objects), new Map([[0, PHOTO]]), of);
      assert.deepEqual(other.masks, masks);
      other.depth.forEach((distance, p) => {
        assert.ok(Math.abs(distance - depth[p]!) < 1e-3, `seed ${seed}: ${distance} ${depth[p]}`);
      });
      assert.notDeepEqual(other.frames, frames);
    }
  });

  test('gives a sphere the distance of its surface', () => {
    let pixels = 0;
    for (let seed = 0; seed < 40; seed++) {
      const one = drawn(seed);
      const { depth, masks } = rendered(one);
      masks.forEach((id, p) => {
        const solid = one.scene.objects[id - 1];
        if (solid?.shape !== 'sphere') return;
        const ray = rayOf(one, p % size.width, Math.floor(p / size.width));
        const t = depth[p]!;
        const [x, y, z] = solid.start;
        const centre = { x, y: y + solid.radius - one.look.camera.height, z };
        const away = Math.hypot(ray.x * t - centre.x, ray.y * t - centre.y, ray.z * t - centre.z);
        assert.ok(Math.abs(away - solid.radius) < 1e-3, `${away} ${solid.radius}`);
        pixels++;
      });
    }
    assert.ok(pixels > 200, String(pixels));
  });

  test('is the same for the same draw, and the same scene at every size', () => {
    for (let seed = 0; seed < 5; seed++) {
      const [one, again] = [rendered(drawn(seed)), rendered(drawn(seed))];
      assert.deepEqual(one, again);
      const large = rendered(drawn(seed), { width: 144, height: 96, numFrames: 1 });
      let differ = 0;
      one.depth.forEach((distance, p) => {
        const q = (3 * Math.floor(p / 48) + 1) * 144 + 3 * (p % 48) + 1;
        const [id, other] = [one.masks[p], large.masks[q]];
        if (id !== other || Math.abs(large.depth[q]! - distance) > 1e-3) differ++;
      });
      assert.ok(differ <= 3, `seed ${seed}: ${differ} pixels`); // rounding at outlines
    }
  });

  test('takes colours from photos where they are given, and from none where there are none', () => {
    const colours = (photos: number[]) => {
      let strong = 0;
      for (let seed = 0; seed < 20; seed++) {
        const one = drawn(seed, photos);
        if (photos.length === 0)
          assert.ok(surfacesOf(one.look).every(({ photo }) => photo === null));
        const { frames } = rendered(one);
        for (let p = 0; p < frames.length; p += 3) {
          if (Math.abs(frames[p]! - frames[p + 2]!) > 180) strong++;
        }
      }
      return strong;
    };
    assert.ok(colours([0]) > 10 * Math.max(10, colours([])));
  });

  test('draws clips too, in which solids move', () => {
    const one = drawn(4);
    one.scene.objects[0]!.move = [1, 0, 0];
    const { frames, masks } = rendered(one, { ...size, numFrames: 9 });
    const area = size.width * size.height;
    assert.equal(frames.length, 9 * area * 3);
    assert.notDeepEqual(masks.subarray(0, area), masks.subarray(8 * area));
  });
});

describe('photos', () => {
  const colour = (u: number, v: number, pixel: number) => {
    const out = new Float32Array(3);
    colourAt(PHOTO, { u, v, pixel }, out);
    return [...out];
  };

  test('are smoothed for large pixels, and go on mirrored beyond their edges', () => {
    assert.deepEqual(colour(0.5 / 32, 0.2, 0.01), [240, 0, 10]);
    assert.deepEqual(colour(1.5 / 32, 0.2, 0.01), [240, 200, 10]);
    const [red, green, blue] = colour(0.2, 0.2, 0.1);
    assert.ok(red! > 230 && Math.abs(green! - 100) < 12 && blue! < 20, `${red} ${green} ${blue}`);
    assert.deepEqual(
      colour(2.25, 0.2, 0.1),
      colour(0.25, 0.2, 0.1).map((c) => c),
    );
    assert.ok(
      PHOTO.mean.every((c) => c > 90 && c < 140),
      PHOTO.mean.join(),
    );
  });

  test('are found in a folder, some of them apart, and read', async () => {
    const folder = temporaryFolder();
    const [width, height] = [600, 300];
    for (let i = 0; i < 20; i++) {
      const data = new Uint8Array(width * height * 3).fill(10 * i);
      await writeImage(join(folder, `${i}.png`), { width, height, numFrames: 1, data });
    }
    const { train, heldOut } = await findPhotos(folder);
    const names = [...train, ...heldOut].map(({ name }) => name);
    assert.equal(new Set(names).size, 20);
    assert.ok(heldOut.length > 0 && heldOut.length < 6, String(heldOut.length));
    const elsewhere = temporaryFolder();
    await cp(folder, elsewhere, { recursive: true });
    assert.deepEqual(
      (await findPhotos(elsewhere)).heldOut.map(({ name }) => basename(name)),
      heldOut.map(({ name }) => basename(name)),
    );
    const { levels, mean } = await new PhotoShelf(train).get(0);
    assert.deepEqual([levels[0]!.width, levels[0]!.height], [512, 256]);
    assert.deepEqual(mean, Array(3).fill(10 * Number.parseInt(basename(train[0]!.name), 10)));
  });

  test('are found beside files that cannot be used, which are named', async () => {
    const folder = temporaryFolder();
    const size = { width: 8, height: 8, numFrames: 1 };
    await writeImage(join(folder, 'a.png'), { ...size, data: new Uint8Array(8 * 8 * 3) });
    writeFileSync(join(folder, 'a.txt'), Buffer.from([0xff, 0xfe, 0x00]));
    await writeImage(join(folder, 'b.png'), { ...size, data: new Uint8Array(8 * 8 * 3) });
    const said: string[] = [];
    const { train, heldOut } = await findPhotos(folder, (_, reason) => said.push(reason));
    assert.deepEqual(
      [...train, ...heldOut].map(({ name }) => basename(name)),
      ['b.png'],
    );
    assert.match(said.join('\n'), /^[^\n]*a\.txt: /);
  });

  test('are asked for where a data set has none', async () => {
    await assert.rejects(findPhotos(temporaryFolder()), { name: 'InputError' });
  });
});
