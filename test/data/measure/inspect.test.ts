import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { excessOf, RELEASED } from '../../../src/data/caption-length.js';
import { inspectFile, inspectItem } from '../../../src/data/measure/inspect.js';
import { findingsOf } from '../../../src/data/measure/verdicts.js';
import { contentHash } from '../../../src/data/sources/data-file.js';
import type { DataItem } from '../../../src/data/sources/items.js';
import { InputError } from '../../../src/errors.js';
import { writeImage } from '../../../src/media/codecs/write.js';
import { turbo } from '../../../src/media/depth/palettes.js';
import { ffmpeg, noFfmpeg } from '../../media/helpers.js';
import { temporaryFolder } from '../../temp-folder.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

const itemOf = (name: string, more: Partial<DataItem> = {}): DataItem => ({
  where: name,
  kind: 'either',
  media: { name, path: at(name), member: null },
  target: null,
  mask: null,
  depth: null,
  prompt: '',
  part: {},
  stated: { watermark: false, text: false },
  ...more,
});

async function findings(item: DataItem): Promise<string[]> {
  const inspected = await inspectItem(item);
  if ('problem' in inspected) return [inspected.problem];
  const limits = { minFrames: 1, caption: RELEASED };
  return findingsOf(item, inspected, null, limits).map(
    ({ verdict, text }) => `${verdict}: ${text}`,
  );
}

describe('inspectItem', { skip: noFfmpeg }, () => {
  test('takes a bitmap for a picture', async () => {
    ffmpeg('-f', 'lavfi', '-i', 'testsrc=s=64x48', '-frames:v', '1', at('a.BMP'));
    const inspected = await inspectItem(itemOf('a.BMP'));
    assert.ok(!('problem' in inspected));
    assert.equal(inspected.facts.kind, 'image');
    assert.deepEqual(inspected.notes, []);
  });

  test('brings what the reader says into the verdicts', async () => {
    const colours = ['-color_trc', 'smpte2084', '-color_primaries', 'bt2020'];
    const codec = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-colorspace', 'bt2020nc'];
    const source = ['-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=8:d=1'];
    ffmpeg(...source, ...codec, ...colours, at('hdr.mp4'));
    const found = await findings(itemOf('hdr.mp4', { prompt: 'a test' }));
    assert.ok(
      found.some((line) => /^note: hdr\.mp4: high dynamic range/.test(line)),
      found.join('\n'),
    );
  });

  test('names keys that the caption may stand under', async () => {
    ffmpeg('-f', 'lavfi', '-i', 'testsrc=s=64x48', '-frames:v', '1', at('b.png'));
    const found = await findings(itemOf('b.png', { unread: ['title', 'description'] }));
    assert.ok(
      found.includes(
        'no caption: it is the "prompt", "caption" or "text", and not read from "title", "description"',
      ),
      found.join('\n'),
    );
  });
});

test('a file of no data set is inspected by its path, and called by its name', async () => {
  const data = new Uint8Array(24 * 16 * 3).fill(90);
  await writeImage(at('content.png'), { width: 24, height: 16, numFrames: 1, data });
  const found = await inspectFile({ path: at('content.png'), name: 'holiday.png' });
  assert.ok(!('problem' in found));
  const { kind, width, height, numFrames } = found.facts;
  assert.deepEqual([kind, width, height, numFrames], ['image', 24, 16, 1]);
  writeFileSync(at('broken.png'), 'no picture');
  const broken = await inspectFile({ path: at('broken.png'), name: 'holiday.png' });
  assert.match('problem' in broken ? broken.problem : '', /^holiday\.png: holds text/);
});

test('a pipe named in a list is a problem, not waited for', { timeout: 20_000 }, async () => {
  execFileSync('mkfifo', [at('pipe.mp4')]);
  const item = itemOf('pipe.mp4');
  const message = /^pipe\.mp4: must be a file, is a pipe, socket or device; save it to a file$/;
  const inspected = await inspectItem(item);
  assert.match('problem' in inspected ? inspected.problem : '', message);
  await assert.rejects(contentHash([item.media], ''), { name: InputError.name, message });
});

test('a member of a shard with an odd ending is copied to a plain name', async () => {
  writeFileSync(at('odd.tar'), 'not a picture, and no tar either');
  const name = `odd.tar/a.${'x'.repeat(300)}`;
  const member = { name: 'a', offset: 0, size: 8 };
  const inspected = await inspectItem(
    itemOf('a', { media: { name, path: at('odd.tar'), member } }),
  );
  assert.match('problem' in inspected ? inspected.problem : '', /holds text, not a picture/);
});

test('depth is read as training reads it', async () => {
  const [width, height] = [32, 32];
  const picture = (name: string, colourAt: (y: number) => [number, number, number]) => {
    const data = new Uint8Array(width * height * 3);
    for (let i = 0; i < data.length; i += 3) {
      data.set(colourAt(Math.floor(i / 3 / width)).map(Math.round), i);
    }
    return writeImage(at(name), { width, height, numFrames: 1, data });
  };
  await picture('photo.png', (y) => [7 * y, 100, 40]);
  await picture('near.png', (y) => [8 * y, 8 * y, 8 * y]);
  await picture('far.png', (y) => [250 - 8 * y, 250 - 8 * y, 250 - 8 * y]);
  await picture('turbo.png', (y) => turbo(y / 31));
  await picture('flat.png', () => [9, 9, 9]);
  const inspected = async (name: string) => {
    const depth = { name, path: at(name), member: null };
    const found = await inspectItem(itemOf('photo.png', { depth }));
    assert.ok(!('problem' in found));
    return { notes: found.notes, mismatches: found.mismatches };
  };
  assert.deepEqual(await inspected('near.png'), { notes: [], mismatches: [] });
  const far = await inspected('far.png');
  assert.deepEqual(far.mismatches, []);
  assert.match(far.notes[0]!, /^far\.png: the bottom of this map is far .* so invert it if/);
  assert.match(
    (await inspected('turbo.png')).mismatches[0]!,
    /^turbo\.png: is in the false colours of the palette turbo/,
  );
  assert.match((await inspected('flat.png')).mismatches[0]!, /^flat\.png: is one shade of gray/);
});

describe('excessOf', () => {
  const words = (count: number) => new Array(count).fill('cube').join(' ');

  test('estimates the tokens of a caption by its words', () => {
    assert.equal(excessOf(words(51), RELEASED), null);
    assert.deepEqual(excessOf(words(60), RELEASED), { tokens: 89, isEstimate: true });
  });

  test('counts them where there is a tokenizer', () => {
    const count = (text: string) => text.length;
    assert.equal(excessOf('x'.repeat(40), { tokens: 40, count }), null);
    assert.deepEqual(excessOf('x'.repeat(41), { tokens: 40, count }), {
      tokens: 41,
      isEstimate: false,
    });
  });
});
