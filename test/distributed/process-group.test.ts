import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ProcessGroup } from '../../src/distributed/process-group.js';
import { Store } from '../../src/tensor/index.js';
import { native } from '../../src/tensor/native.js';
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

  const skip = native.groupSupport()[1] === 1 && 'this addon has NCCL';
  test('GPUs without NCCL are refused in a sentence', { skip }, async () => {
    const store = await Store.open('127.0.0.1', 0, { serve: true, timeoutMs: 10_000 });
    const options = { store, rank: 0, size: 1, address: '127.0.0.1', device: 'cuda' as const };
    await assert.rejects(ProcessGroup.create(options), {
      name: 'InputError',
      message: /^several GPUs: the addon was built without NCCL; install .* run `make setup`$/,
    });
    store.close();
  });
});
