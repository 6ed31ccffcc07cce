import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCondition, TASKS, type Task } from '../../src/tasks/index.js';
import { expectSameFromFiles } from './same-condition.js';

describe('the condition of a training sample is that of files that hold the same', () => {
  for (const task of Object.values<Task>(TASKS)) {
    test(task.id, async () => {
      const sums: number[] = [];
      for (const seed of [0, 1, 2, 3]) {
        const { pixels, depth } = await expectSameFromFiles(task, seed);
        sums.push(pixels.abs().sum().item() + depth.abs().sum().item());
      }
      // from a prompt alone nothing is known; else every sample gives something, and another thing
      if (!hasCondition(task)) assert.deepEqual(sums, [0, 0, 0, 0]);
      else assert.equal(new Set(sums.filter((sum) => sum > 0)).size, 4);
    });
  }
});
