import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import sharp from 'sharp';
import type { Frames } from '../../../src/media/index.js';
import { targetOf } from '../../../src/train/feed/buckets.js';
import { apartFromHeldOut, openSources, SampleMaker } from '../../../src/train/feed/index.js';
import { temporaryFolder } from '../../temp-folder.js';

const [width, height] = [240, 180];
const folder = temporaryFolder();
const maker = new SampleMaker({ store: null, workers: 1 });
after(() => maker.close());

/** Red rises to the right, green downward; `blue` tells pictures apart. */
async function picture(name: string, blue: number): Promise<void> {
  const data = Buffer.alloc(width * height * 3);
  for (let p = 0; p < width * height; p++) {
    data[p * 3] = p % width;
    data[p * 3 + 1] = Math.floor(p / width);
    data[p * 3 + 2] = blue;
  }
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(join(folder, name));
}

/** Steps of red along a row and of green along a column, and the values in the middle. */
function slopesOf({ width: w, height: h, data }: Frames) {
  const at = (x: number, y: number, c: number) => data[(y * w + x) * 3 + c]!;
  const [x, y] = [w >> 1, h >> 1];
  return {
    across: (at(w - 4, y, 0) - at(3, y, 0)) / (w - 7),
    down: (at(x, h - 4, 1) - at(x, 3, 1)) / (h - 7),
    middle: [at(x, y, 0), at(x, y, 1)],
  };
}

test('variants are parts of a picture, of its source and depth alike', async () => {
  for (let i = 0; i < 12; i++) await picture(`${i}.png`, i);
  await picture('before.png', 100);
  const gray = Buffer.from(Uint8Array.from({ length: width * height }, (_, p) => p % width));
  const ramp = sharp(gray, { raw: { width, height, channels: 1 } });
  await ramp.png().toFile(join(folder, 'depth.png'));
  const rows: object[] = Array.from({ length: 12 }, (_, i) => ({ image: `${i}.png` }));
  rows[0] = { image: '0.png', depth: 'depth.png', prompt: 'a ramp of colours' };
  rows[1] = { image: 'before.png', target: '1.png', prompt: 'make it less blue' };
  const manifest = join(folder, 'manifest.jsonl');
  writeFileSync(manifest, rows.map((row) => JSON.stringify(row)).join('\n'));

  const open = (augment?: number) =>
    openSources([{ manifest, weight: 1, augment }], { validationSamples: 4 });
  const [source] = (await open(9)).sources;
  const [plain] = (await open()).sources;
  assert.deepEqual(source!.heldOut, plain!.heldOut);
  assert.equal(source!.items.length, 9 * plain!.items.length);
  assert.deepEqual(source!.items, (await open(9)).sources[0]!.items);
  assert.equal(new Set(source!.items.map(({ content }) => content)).size, source!.items.length);

  // what one source holds out is trained on in no other, not even parts of it
  const whole = { ...source!, heldOut: [], items: [...source!.items, ...plain!.heldOut] };
  const parts = plain!.heldOut.map((item) => ({ ...item, content: 'part', partOf: item.content }));
  const freed = apartFromHeldOut(
    new Map([
      ['a', [whole]],
      ['b', [{ ...plain!, items: parts }]],
    ]),
  );
  assert.deepEqual(freed.get('a')![0]!.items, source!.items);
  assert.deepEqual(freed.get('b')![0]!.items, []);
  assert.ok(parts.length > 0);

  const scales: number[] = [];
  let [mirrored, edits, depths] = [0, 0, 0];
  for (const item of source!.items) {
    const { facts, origin } = item;
    assert.ok(origin.kind === 'file');
    assert.ok(Math.min(facts!.width, facts!.height) >= 63, `${facts!.width}x${facts!.height}`);
    const { part = { scale: 1, mirrored: false } } = origin;
    const target = targetOf(facts!, 'image', {
      width: 64,
      height: 64,
      numFrames: 1,
      aspect: 'native',
    })!;
    const isEdit = origin.item.target !== null;
    const hasDepth = origin.item.depth !== null;
    const made = await maker.make(
      {
        item,
        target,
        task: hasDepth ? 'ioutp' : null,
        seed: 1,
        label: 'x',
        depth: hasDepth ? 'own' : null,
      },
      { clip: true, source: isEdit },
    );
    assert.ok('clip' in made);
    const { across, down, middle } = slopesOf(made.clip!);
    // a pixel of the sample spans as many of the part
    const span = Math.min(
      (width * part.scale) / target.width,
      (height * part.scale) / target.height,
    );
    assert.ok(Math.abs(Math.abs(across) - span) < 0.06 * span, `${across} ${span} ${item.where}`);
    assert.ok(Math.abs(down - span) < 0.06 * span, `${down} ${span} ${item.where}`);
    assert.equal(across < 0, part.mirrored);
    scales.push(part.scale);
    mirrored += part.mirrored ? 1 : 0;
    if (isEdit) {
      const source = slopesOf(made.source!);
      assert.deepEqual([source.across, source.middle], [across, middle]);
      edits++;
    }
    for (const { depth, frames } of made.given?.known ?? []) {
      // red and depth are the same ramp, where the picture is known
      const known = [...depth!.data.keys()].filter((p) => depth!.data[p]! > 0);
      assert.ok(known.length > 100);
      const [first, last] = [known[0]!, known.at(-1)!];
      const rise = depth!.data[last]! - depth!.data[first]!;
      assert.equal(Math.sign(rise), Math.sign(frames.data[last * 3]! - frames.data[first * 3]!));
      depths++;
    }
  }
  assert.ok(mirrored > 20 && mirrored < 0.7 * scales.length, String(mirrored));
  assert.ok(scales.filter((scale) => scale < 0.6).length > 15);
  assert.ok(edits === 9 || edits === 0, String(edits));
  assert.ok(depths === 9 || depths === 0, String(depths));
  assert.ok(edits + depths > 0, 'not both are held out');
});
