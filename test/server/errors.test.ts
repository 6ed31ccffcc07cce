import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../src/errors.js';
import { bodyOf, inApiWords, statusOf } from '../../src/server/errors.js';

test('a full disk is called that, and nobody is asked to report it', () => {
  const error = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
  });
  assert.equal(statusOf(error), 507);
  assert.deepEqual(bodyOf(error), {
    type: 'server_error',
    code: 'disk_full',
    message: 'the disk of the server is full; remove results or uploads that are not needed',
    param: null,
    hint: 'remove results or uploads that are not needed',
  });
});

test('a sentence of the library recommends what requests may ask for', () => {
  for (const [sentence, words] of [
    ["`numFrames` and `fit: 'pad'`", '`num_frames` and `fit: "pad"`'],
    ['`size: { width, height }` asks for another', '`size: "WIDTHxHEIGHT"` asks for another'],
    ['ask for `size: { width: 64, height: 48 }`', 'ask for `size: "64x48"`'],
    ['`loras` and `quality`', '`lora` and `output_compression`'],
    [
      "use `dtype: 'bfloat16'`, or try it with `checkMemory: false`",
      'use --dtype bfloat16 of the server',
    ],
  ] as const) {
    assert.equal(inApiWords(sentence), words);
  }
  assert.equal(bodyOf(new InputError('it holds text', { field: 'input' })).param, 'inputs');
});
