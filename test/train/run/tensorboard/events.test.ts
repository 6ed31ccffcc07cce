import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EventWriter } from '../../../../src/train/run/tensorboard/events.js';
import { crc32c } from '../../../../src/train/run/tensorboard/tfrecord.js';
import { temporaryFolder } from '../../../temp-folder.js';

const folder = temporaryFolder();
const fixture = (name: string) =>
  readFileSync(fileURLToPath(new URL(`fixtures/${name}`, import.meta.url)));
/** That of make_events.py, in milliseconds. */
const NOW = 1073741824250;
const fixed = { now: () => NOW };

describe('crc32c', () => {
  test('gives the values of RFC 3720, B.4', () => {
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(crc32c(new Uint8Array(32).fill(255)), 0x62a8ab43);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  });
});

describe('EventWriter', () => {
  test("writes the bytes that TensorBoard's own writer does", () => {
    const writer = new EventWriter(join(folder, 'same'), { firstStep: 121, ...fixed });
    writer.scalars({ t2v: 0.1875 }, 140, NOW + 1000);
    const several = { 'loss/ö': -1e-9, gradNorm: Number.POSITIVE_INFINITY, zero: 0 };
    writer.scalars(several, 140, NOW + 1500);
    writer.image('samples/t2i', fixture('picture.png'), 2 ** 40 + 3, NOW + 2000);
    writer.close();
    assert.deepEqual(readFileSync(writer.path), fixture('events.bin'));
  });

  test('begins a file for each start, later by name than those there are', () => {
    const own = join(folder, 'order');
    mkdirSync(own);
    const ahead = 'events.out.tfevents.1073741900.zz.1.0';
    writeFileSync(join(own, ahead), 'torn');
    const paths = [1, 2].map(() => {
      const writer = new EventWriter(own, fixed);
      writer.close();
      return writer.path;
    });
    const names = readdirSync(own).sort();
    assert.deepEqual(
      names.map((name) => join(own, name)),
      [join(own, ahead), ...paths],
    );
    assert.match(names[2]!, /^events\.out\.tfevents\.1073741902\..+\.\d+\.\d+$/);
    assert.equal(readFileSync(join(own, ahead), 'utf8'), 'torn');
  });

  test('refuses what is no PNG, and writes nothing of it', () => {
    const writer = new EventWriter(join(folder, 'jpg'), fixed);
    const size = readFileSync(writer.path).length;
    assert.throws(
      () => writer.image('a', Buffer.alloc(40), 1),
      /a: must be the bytes of a PNG file/,
    );
    assert.throws(() => writer.scalars({ a: 1 }, -1), RangeError);
    writer.close();
    assert.equal(readFileSync(writer.path).length, size);
  });

  test('says in a sentence that its folder cannot be made', () => {
    writeFileSync(join(folder, 'file'), '');
    assert.throws(
      () => new EventWriter(join(folder, 'file', 'events')),
      /part of its path is a file; choose another place/,
    );
  });
});
