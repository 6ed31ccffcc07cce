import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { DataStore } from '../../../../src/data/store.js';
import { noGrad } from '../../../../src/tensor/index.js';
import { storedText } from '../../../../src/train/feed/encode/text-states.js';
import { tinyTrainee } from '../../tiny.js';

const folder = mkdtempSync(join(tmpdir(), 'mfm-text-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const PROMPTS = ['a small red cube #task: text-to-image', '', 'a blue sphere'];

describe('storedText', () => {
  test('has what the encoder makes of every token, from the disk too, and zeros beyond', async () => {
    const { pipeline, tokenizer } = tinyTrainee();
    const expected = noGrad(() => pipeline.encodePrompts(PROMPTS));
    const mask = [...expected.mask.toFloat32Array()];
    const wanted = expected.states.toFloat32Array();
    const width = expected.states.size(2);
    for (const where of ['made', 'read']) {
      const store = DataStore.open(folder);
      const text = storedText(pipeline, tokenizer, store)(PROMPTS);
      assert.deepEqual([...text.mask.toFloat32Array()], mask, where);
      assert.equal(text.tokens, expected.tokens, where);
      const got = text.states.toFloat32Array();
      got.forEach((value, i) => {
        const known = mask[Math.floor(i / width)];
        const right = known ? wanted[i]! : 0;
        // batches of other sizes sum in another order
        assert.ok(Math.abs(value - right) <= 1e-5, `${where} ${i}: ${value} for ${right}`);
      });
      assert.equal(store.figures.entries, PROMPTS.length, where);
      await store.close();
    }
  });

  test('of another encoder nothing is taken', async () => {
    const { pipeline, tokenizer } = tinyTrainee();
    noGrad(() => pipeline.textEncoder.parameters()[0]!.add_(1));
    const store = DataStore.open(folder);
    const before = store.figures.entries;
    storedText(pipeline, tokenizer, store)(PROMPTS.slice(0, 1));
    assert.equal(store.figures.entries, before + 1);
    await store.close();
  });
});
