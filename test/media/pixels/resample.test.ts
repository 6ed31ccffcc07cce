import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import { grayOf } from '../../../src/media/frames.js';
import { type ResampleFilter, resample } from '../../../src/media/pixels/resample.js';

interface Fixture {
  size: [number, number];
  data: string;
  gray: string;
  cases: { size: [number, number]; filter: ResampleFilter; data: string }[];
}

// Pillow's own results; see fixtures/make_resize.py
const fixture = JSON.parse(
  readFileSync(new URL('./fixtures/resize.json', import.meta.url), 'utf8'),
) as Fixture;
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const [width, height] = fixture.size;
const samples = bytes(fixture.data);

/** [H, W, 3] to [3, H, W] */
function toPlanes(interleaved: Uint8Array): Uint8Array {
  const count = interleaved.length / 3;
  return Uint8Array.from(
    interleaved,
    (_, i) => interleaved[(i % count) * 3 + Math.floor(i / count)]!,
  );
}

describe('resample', () => {
  for (const { size, filter, data } of fixture.cases) {
    test(`equals Pillow: ${filter} ${width}x${height} to ${size.join('x')}`, () => {
      const [w, h] = size;
      const layout = { count: 1, height, width, channels: 3 };
      assert.deepEqual(resample(samples, layout, { width: w, height: h }, filter), bytes(data));
      // planes of a tensor give the same samples
      const planes = { count: 3, height, width, channels: 1 };
      assert.deepEqual(
        resample(toPlanes(samples), planes, { width: w, height: h }, filter),
        toPlanes(bytes(data)),
      );
    });
  }

  test('leaves an unchanged size alone and rejects a size of zero', () => {
    const layout = { count: 1, height, width, channels: 3 };
    assert.equal(resample(samples, layout, { width, height }, 'bicubic'), samples);
    assert.throws(
      () => resample(samples, layout, { width: 0, height: 4 }, 'bicubic'),
      (error: Error) => error instanceof InputError && /got 0x4/.test(error.message),
    );
  });
});

test('grayOf equals Pillow\'s convert("L")', () => {
  const gray = bytes(fixture.gray).map((_, i) =>
    grayOf(samples[i * 3]!, samples[i * 3 + 1]!, samples[i * 3 + 2]!),
  );
  assert.deepEqual(gray, bytes(fixture.gray));
});
