import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import { buildTokenizer, PromptTokenizer } from '../../../src/models/t5/index.js';
import { tidy } from '../../../src/tensor/index.js';

const files = buildTokenizer(['a', 'red', 'cube', '#task:', 'text-to-image', 'the']);
const tokenizer = new PromptTokenizer(files);

describe('PromptTokenizer', () => {
  test('lower-cases, strips, closes and pads to 77', () => {
    const { ids, mask } = tokenizer.encode('  A RED cube\n');
    assert.equal(ids.length, 77);
    assert.deepEqual(ids.slice(0, 5), [3, 4, 5, 1, 0]);
    assert.equal(
      mask.reduce((a, b) => a + b),
      4,
    );
    assert.deepEqual(tokenizer.encode('a red cube').ids, ids);
  });

  test('keeps 76 tokens of a long prompt and closes it', () => {
    const { ids, mask } = tokenizer.encode('red '.repeat(200));
    assert.equal(ids.length, 77);
    assert.deepEqual(ids.slice(74), [4, 4, 1]);
    assert.ok(mask.every((value) => value === 1));
  });

  test('gives the empty prompt its closing token only', () => {
    assert.deepEqual(tokenizer.encode('').ids.slice(0, 2), [1, 0]);
    assert.deepEqual(tokenizer.encode('   ').ids.slice(0, 2), [1, 0]);
  });

  test('takes list words whole, spells others and knows what it cannot', () => {
    assert.equal(tokenizer.encode('a red cube #task: text-to-image').mask.indexOf(0), 6);
    const spelt = tokenizer.encode('zebra');
    assert.equal(spelt.mask.indexOf(0), 7); // ▁, z, e, b, r, a, </s>
    assert.ok(!spelt.ids.includes(2));
    assert.equal(tokenizer.decode(spelt.ids), 'zebra');
    assert.ok(tokenizer.encode('赤').ids.includes(2));
  });

  test('says what of a prompt is left out, in tokens and in words', () => {
    assert.equal(tokenizer.cutOff('a red cube #task: text-to-image'), null);
    assert.equal(tokenizer.cutOff('red '.repeat(76)), null);
    assert.deepEqual(tokenizer.cutOff(`${'red '.repeat(76)} the CUBE #task: text-to-image`), {
      tokens: 80,
      read: 76,
      leftOut: 'the cube #task: text-to-image',
    });
    assert.deepEqual(tokenizer.cutOff('a red cube', 3), { tokens: 3, read: 2, leftOut: 'cube' });
    assert.throws(
      () => tokenizer.encode('x'.repeat(200_000)),
      /prompt: must have at most 100000 characters, got 200000/,
    );
  });

  test('ends where a pattern of the file never would, and where the file cannot be followed', () => {
    const changed = (change: object) =>
      new PromptTokenizer(
        { ...files, tokenizer: { ...files.tokenizer, ...change } },
        'here/tokenizer',
        { encodingMs: 50 },
      );
    const pattern = { Regex: '^(a+)+$' };
    const endless = changed({ normalizer: { type: 'Replace', pattern, content: 'x' } });
    assert.equal(endless.encode('red').mask.indexOf(0) > 0, true);
    assert.throws(() => endless.encode(`${'a'.repeat(40)}!`), {
      name: 'InputError',
      message: /^here\/tokenizer: takes more than 0\.05 s for a prompt/,
    });
    const wrong: object[] = [
      { model: null },
      { model: { type: 'Unigram', vocab: 3 } },
      { model: { type: 'Unigram', unk_id: 2, vocab: [['<pad>', 0], 7] } },
      { added_tokens: 5 },
      { normalizer: { type: 'None of them' } },
    ];
    for (const change of wrong) {
      const use = () => changed(change).encode('a red cube');
      assert.throws(
        use,
        { name: 'InputError', message: /^here\/tokenizer: / },
        JSON.stringify(change),
      );
    }
  });

  test('stacks a batch as int64', () => {
    tidy(() => {
      const { inputIds, attentionMask } = tokenizer.encodeBatch(['red', 'the cube']);
      assert.deepEqual(inputIds.shape, [2, 77]);
      assert.equal(inputIds.dtype, 'int64');
      assert.deepEqual(attentionMask.sum([1]).toArray(), BigInt64Array.of(2n, 3n));
    });
  });

  test('opens a folder, and says which file is missing or damaged', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mfm-tokenizer-'));
    try {
      assert.throws(
        () => PromptTokenizer.open(folder),
        /tokenizer\.json: no such file; check the path/,
      );
      writeFileSync(join(folder, 'tokenizer.json'), '{');
      assert.throws(() => PromptTokenizer.open(folder), InputError);
      writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(files.tokenizer));
      writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(files.config));
      assert.deepEqual(PromptTokenizer.open(folder).encode('red'), tokenizer.encode('red'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
