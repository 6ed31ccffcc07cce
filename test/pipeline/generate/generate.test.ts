import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startResult } from '../../../src/pipeline/generate/generate.js';
import type { Pipeline } from '../../../src/pipeline/index.js';
import { TASKS } from '../../../src/tasks/index.js';

describe('startResult', () => {
  test('refuses what lives on depth where the pipeline has no place for it, unread', async () => {
    const pipeline = { takesDepth: false } as Pipeline;
    for (const task of [TASKS.d2v, TASKS.mtrans]) {
      const request = { task, seed: 1, prompt: 'a', inputs: ['none.mp4'] };
      await assert.rejects(startResult(pipeline, request), {
        name: 'InputError',
        message: `${task.id}: this pipeline takes no depth; name another with \`pipeline\``,
      });
    }
  });
});
