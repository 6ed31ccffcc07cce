import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Case } from './fixtures/train-tiny.js';
import { freePort, ranks } from './processes.js';
import { difference, runTiny } from './run-tiny.js';

/** float32 sums in another order: measured 1e-7 over four steps. */
const TOLERANCE = 1e-6;

/** Four steps of three samples; the first step's gradient norm is that of one forward and backward. */
const base: Case = { sharding: 'ddp', steps: 4, shares: [[3]] };

describe('SequenceGroup', () => {
  // 12 tokens, and 15, which 2 and 4 processes cannot part evenly
  const sizes: [number, number, number][] = [
    [2, 4, 6],
    [1, 10, 6],
  ];
  for (const size of sizes) {
    const [frames, height, width] = size;
    const tokens = frames * (height / 2) * (width / 2);
    test(`${tokens} tokens, shared by 2, 4 and twice 2 processes, train as in one`, async () => {
      const [alone] = await runTiny(1, { ...base, size });
      const jobs: [number, Partial<Case>][] = [
        [2, { sequenceParallel: 2, shares: [[3]] }],
        [4, { sequenceParallel: 4, shares: [[3]], gradCheckpointing: true, sharding: 'zero1' }],
        [
          4,
          {
            sequenceParallel: 2,
            shares: [
              [2, 1],
              [0, 3],
            ],
            sharding: 'zero2',
          },
        ],
      ];
      for (const [processes, changes] of jobs) {
        const reports = await runTiny(processes, { ...base, size, ...changes });
        const losses = difference(reports[0]!.losses, alone!.losses);
        const norms = difference(reports[0]!.norms, alone!.norms);
        const name = `${processes} processes, ${JSON.stringify(changes)}`;
        assert.ok(losses < TOLERANCE, `${name}: losses differ by ${losses}`);
        assert.ok(norms < TOLERANCE, `${name}: gradient norms differ by ${norms}`);
        for (const { weights } of reports) assert.equal(weights, reports[0]!.weights, name);
      }
    });
  }

  test('tokens that skip a block, and a loss on those that do not, train as in one', async () => {
    // 15 tokens, 8 of which do not skip: each process has another number of both
    const routed: Case = { ...base, size: [1, 10, 6], skipping: 7 };
    const [alone] = await runTiny(1, routed);
    for (const [processes, changes] of [
      [2, { sequenceParallel: 2 }],
      [4, { sequenceParallel: 4, gradCheckpointing: true }],
    ] as const) {
      const [shared] = await runTiny(processes, { ...routed, ...changes });
      for (const key of ['losses', 'norms'] as const) {
        const off = difference(shared![key], alone![key]);
        assert.ok(off < TOLERANCE, `${processes} processes: ${key} differ by ${off}`);
      }
    }
  });

  test('each output and gradient equals that of one process; refusals say what does not fit', async () => {
    const port = await freePort();
    const ends = await ranks(2, 'sequence.ts', (rank) => [rank, 2, port]);
    for (const { code, stderr } of ends) assert.deepEqual([code, stderr], [0, '']);
  });
});
