import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseExpand } from '../../src/media/index.js';
import type { Job, Task } from '../../studio/api/types.js';
import { marginsWithin } from '../../studio/logic/given-media.js';
import {
  depthOf,
  inputsOf,
  knownOf,
  lorasOf,
  maskOf,
  othersOf,
} from '../../studio/logic/recall.js';

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
    const mask = { mask: { file_id: 'm' }, invert: false };
    assert.deepEqual(known, [{ media, at: [2, 4], mask, depth: null, gray: true, keep: 1 }]);
    const more = { mask: 'file_m', invert: true, depth: { file_id: 'd' } };
    assert.deepEqual(knownOf({ known: [{ media, at: 0, ...more }] }), [
      {
        media,
        at: 0,
        mask: { mask: 'file_m', invert: true },
        depth: { file_id: 'd' },
        gray: false,
        keep: 1,
      },
    ]);
    assert.deepEqual(depthOf({ depth: { media: { file_id: 'd' }, at: 3 } }), [
      { media: { file_id: 'd' }, at: 3 },
    ]);
    assert.deepEqual(depthOf({ depth: { file_id: 'd' } }), [{ media: { file_id: 'd' }, at: null }]);
  });

  test('has all of its LoRAs', () => {
    const [one, two] = [
      { id: 'ftjob_1', scale: 0.5 },
      { id: 'ftjob_2', scale: 1 },
    ];
    assert.deepEqual(lorasOf({ lora: [one, two] }), [one, two]);
    assert.deepEqual(lorasOf({ lora: one }), [one]);
    assert.deepEqual(lorasOf({}), []);
  });

  test('has its mask in whatever form, and says whether it is inverted', () => {
    const mask = { box: { x: 0, y: 0, width: '50%', height: 8 } };
    assert.deepEqual(maskOf({ mask, invert_mask: true }), { mask, invert: true });
    assert.deepEqual(maskOf({ mask: 'file_1' }), { mask: 'file_1', invert: false });
    assert.equal(maskOf({}), null);
  });

  test('has what no field of the form can say', () => {
    const properties = {
      guidance_range: { type: 'array' },
      tile: { anyOf: [{ type: 'object' }, { type: 'null' }] },
      guidance_scale: { type: 'number' },
      mask: {},
    };
    const task = { id: 'vsr', defaults: {}, schema: { properties } } as unknown as Task;
    const request = { guidance_range: [0.9, 0.1], tile: null, guidance_scale: 3, mask: 'file_1' };
    assert.deepEqual(othersOf(task, request as Job['request']), {
      guidance_range: [0.9, 0.1],
      tile: null,
    });
  });
});
