import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseExpand } from '../../src/media/index.js';
import { marginsWithin } from '../../studio/logic/given-media.js';
import { depthOf, inputsOf, knownOf, loraOf } from '../../studio/logic/recall.js';

describe('marginsWithin', () => {
  const size = { width: 200, height: 100 };
  for (const text of ['0.25', 'left=64,top=0.25', 'x=10%', 'all=32,left=0', 'y=0.5,top=10', '20']) {
    test(`reads ${text} as the library does`, () => {
      const { left, right, top, bottom } = marginsWithin(text, size);
      const pixels = { left: left * 200, right: right * 200, top: top * 100, bottom: bottom * 100 };
      const rounded = Object.fromEntries(
        Object.entries(pixels).map(([side, value]) => [side, Math.round(value)]),
      );
      assert.deepEqual(rounded, parseExpand(text, size));
    });
  }
});

describe('a request read back', () => {
  test('has its inputs in their order, the one for depth first', () => {
    assert.deepEqual(
      inputsOf({ depth_from: { video_id: 'v' }, inputs: ['file_1', { file_id: 'f', frame: -1 }] }),
      [{ video_id: 'v' }, { file_id: 'file_1' }, { file_id: 'f', frame: -1 }],
    );
    assert.deepEqual(inputsOf({ prompt: 'a' }), []);
  });

  test('has the parts of a mixture', () => {
    const media = { file_id: 'f' };
    const known = knownOf({ known: [{ media, at: [2, 4], gray: true, mask: { file_id: 'm' } }] });
    assert.deepEqual(known, [
      { media: { file_id: 'f' }, at: [2, 4], mask: { file_id: 'm' }, gray: true, keep: 1 },
    ]);
    assert.deepEqual(depthOf({ depth: { media: { file_id: 'd' }, at: 3 } }), [
      { media: { file_id: 'd' }, at: 3 },
    ]);
    assert.deepEqual(depthOf({ depth: { file_id: 'd' } }), [{ media: { file_id: 'd' }, at: null }]);
  });

  test('has the first of its LoRAs', () => {
    assert.deepEqual(loraOf({ lora: [{ id: 'ftjob_1', scale: 0.5 }] }), {
      id: 'ftjob_1',
      scale: 0.5,
    });
    assert.equal(loraOf({}), null);
  });
});
