import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { openPipeline } from '../../src/pipeline/index.js';
import { noGrad } from '../../src/tensor/index.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';

const folder = mkdtempSync(join(tmpdir(), 'mfm-pipeline-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('Pipeline.encodePrompts', () => {
  test('a prompt that comes several times has the same states and mask in each place', () => {
    saveTinyPipeline(folder);
    const pipeline = openPipeline(folder);
    const prompts = ['', 'a red cube', '', 'a blue sphere', 'a red cube'];
    noGrad(() => {
      const { states, mask, tokens } = pipeline.encodePrompts(prompts);
      assert.deepEqual(states.shape.slice(0, 2), mask.shape);
      assert.equal(states.size(0), prompts.length);
      assert.equal(tokens, pipeline.encodePrompts(['a blue sphere', 'a red cube']).tokens);
      for (const [i, prompt] of prompts.entries()) {
        const alone = pipeline.encodePrompts([prompt]);
        assert.equal(alone.tokens, alone.mask.sum().item());
        assert.deepEqual(mask.select(0, i).toArray(), alone.mask.select(0, 0).toArray());
        // batches of other sizes sum in another order
        const off = states.select(0, i).sub(alone.states.select(0, 0)).abs().amax().item();
        assert.ok(off < 1e-5, `${prompt}: ${off}`);
      }
    });
  });
});
