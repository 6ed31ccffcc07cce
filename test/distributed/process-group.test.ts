import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { freePort, ranks } from './processes.js';

describe('ProcessGroup', () => {
  for (const size of [2, 4]) {
    test(`all collectives between ${size} processes give the closed formula`, async () => {
      const port = await freePort();
      const ends = await ranks(size, 'collectives.ts', (rank) => [rank, size, port]);
      for (const [rank, end] of ends.entries()) {
        assert.equal(end.stderr, '', `rank ${rank}`);
        assert.deepEqual([end.code, end.stdout], [0, `rank ${rank} done\n`]);
      }
    });
  }
});
