import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { RandomStream } from '../../src/data/random.js';
import { type Frames, readImage, resizeFrames } from '../../src/media/index.js';
import { compress, degrade, shrink } from '../../src/tasks/index.js';

/** No whole number of blocks; made smaller, so that no blocks of its own file are left in it. */
const SIZE = { width: 203, height: 149 };
const picture = async (name: string): Promise<Frames> =>
  resizeFrames(await readImage(`examples/media/${name}`), SIZE);

/** Root mean square of the difference, 0..255. */
function distance(a: Uint8Array, b: Uint8Array): number {
  assert.equal(a.length, b.length);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum / a.length);
}

/** Written by libjpeg and read again. */
async function asJpeg({ width, height, data }: Frames, quality: number): Promise<Uint8Array> {
  const file = await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: '4:4:4' })
    .toBuffer();
  return new Uint8Array(await sharp(file).raw().toBuffer());
}

describe('compress', () => {
  for (const name of ['elephant.jpg', 'gecko.jpg']) {
    test(`${name} is as a JPEG file shows it, at low and high quality`, async () => {
      const original = await picture(name);
      const distances: number[] = [];
      for (const quality of [20, 50, 90]) {
        const file = await asJpeg(original, quality);
        const { data } = compress(original, quality);
        const [ours, lost] = [distance(data, file), distance(original.data, file)];
        // measured 0.8 to 1.2 of 255: waves that lie between two steps fall to either side
        assert.ok(ours < 1.5, `${quality}: ${ours}`);
        assert.ok(ours < lost / 2, `${quality}: ${ours} from the file, of ${lost}`);
        distances.push(distance(data, original.data));
      }
      assert.ok(distances[0]! > distances[1]! && distances[1]! > distances[2]!, `${distances}`);
    });
  }

  test('each frame by itself, of any size', async () => {
    const { data } = await picture('gecko.jpg');
    const small = { width: 5, height: 3 };
    const frame = small.width * small.height * 3;
    const two = { ...small, numFrames: 2, data: data.subarray(3000, 3000 + 2 * frame) };
    const both = compress(two, 30);
    for (const i of [0, 1]) {
      const one = { ...small, numFrames: 1, data: two.data.subarray(i * frame, (i + 1) * frame) };
      assert.deepEqual(compress(one, 30).data, both.data.subarray(i * frame, (i + 1) * frame));
    }
    assert.deepEqual([both.width, both.height, both.numFrames], [5, 3, 2]);
  });

  test('a gray picture of one shade stays as it is, but for a rounding', () => {
    for (const shade of [0, 77, 255]) {
      const gray = { width: 16, height: 16, numFrames: 1, data: new Uint8Array(768).fill(shade) };
      const { data } = compress(gray, 90); // steps of 3 in the mean of 64 pixels times 8
      assert.ok(data.every((value) => Math.abs(value - shade) <= 1));
    }
  });
});

describe('degrade', () => {
  const COUNT = 40;
  const draw = async () => {
    const clip = { ...(await picture('elephant.jpg')) };
    return Array.from({ length: COUNT }, (_, seed) => ({
      clip,
      made: degrade(clip, new RandomStream(seed, 'degrade')),
    }));
  };

  test('makes a copy 2 to 6 times smaller that shows the same', async () => {
    const sides: number[] = [];
    for (const { clip, made } of await draw()) {
      const { width, height, numFrames, data } = made;
      assert.equal(numFrames, 1);
      assert.equal(data.length, width * height * 3);
      const factor = SIZE.width / width;
      assert.ok(factor > 1.95 && factor < 6.2, String(factor)); // whole pixels
      assert.ok(Math.abs(SIZE.height / height - factor) < 0.3);
      sides.push(width);
      const again = resizeFrames(made, SIZE);
      // measured 10 to 25 of 255; another picture is above 60 away
      assert.ok(distance(again.data, clip.data) < 30, String(distance(again.data, clip.data)));
    }
    assert.ok(Math.max(...sides) - Math.min(...sides) > 50);
  });

  test('some copies are noisier or coarser than others of their size', async () => {
    // a plain copy is drawn in one case of four: nothing but `shrink`
    const same = (await draw()).filter(({ clip, made }, seed) => {
      const plain = shrink(clip, new RandomStream(seed, 'degrade'));
      return distance(plain.data, made.data) === 0;
    });
    assert.ok(same.length > COUNT / 10 && same.length < COUNT / 2, String(same.length));
  });

  test('keeps the frames of a clip', async () => {
    const { data } = await picture('gecko.jpg');
    const clip = { width: 20, height: 12, numFrames: 5, data: data.subarray(0, 20 * 12 * 5 * 3) };
    for (let seed = 0; seed < 10; seed++) {
      const made = degrade(clip, new RandomStream(seed, 'clip'));
      assert.equal(made.numFrames, 5);
      assert.equal(made.data.length, made.width * made.height * 15);
    }
  });

  test('the same stream gives the same copy, another another', async () => {
    const [a, b] = await Promise.all([draw(), draw()]);
    assert.deepEqual(
      a.map(({ made }) => made),
      b.map(({ made }) => made),
    );
    assert.notDeepEqual(a[0]!.made, a[1]!.made);
  });
});
