import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { temporaryFolder } from '../temp-folder.js';
import type { Case, Report } from './fixtures/train-tiny.js';
import { difference, runTiny } from './run-tiny.js';

const folder = temporaryFolder();

/** Six samples a step, unevenly: a rank has none in one step, one rank has all in another. */
const SHARES: Record<number, number[][]> = {
  1: [[6]],
  2: [
    [3, 3],
    [5, 1],
    [0, 6],
    [6, 0],
  ],
  4: [
    [2, 2, 1, 1],
    [0, 3, 3, 0],
    [6, 0, 0, 0],
    [1, 2, 3, 0],
  ],
};
const STEPS = 10;

const run = (size: number, changes: Partial<Case> = {}): Promise<Report[]> =>
  runTiny(size, { sharding: 'ddp', steps: STEPS, shares: SHARES[size]!, ...changes });

/** float32 sums in another order differ in the last bits: measured 9e-8 over ten steps. */
const TOLERANCE = 1e-6;

describe('dataParallel', () => {
  let alone: Report;
  const ofFour = new Map<Case['sharding'], Report[]>();
  before(async () => {
    [alone] = (await run(1)) as [Report];
  });

  for (const size of [2, 4]) {
    for (const sharding of ['ddp', 'zero1', 'zero2'] as const) {
      test(`${size} processes with ${sharding} train as one does`, async () => {
        const reports = await run(size, { sharding });
        if (size === 4) ofFour.set(sharding, reports);
        for (const report of reports) {
          assert.equal(report.weights, reports[0]!.weights, `rank ${report.rank}: same weights`);
          assert.deepEqual(report.losses, reports[0]!.losses);
          assert.deepEqual(report.norms, reports[0]!.norms);
          assert.deepEqual(report.skipped, alone.skipped);
        }
        const losses = difference(reports[0]!.losses, alone.losses);
        assert.ok(losses < TOLERANCE, `losses differ by ${losses}`);
        const norms = difference(reports[0]!.norms, alone.norms);
        assert.ok(norms < TOLERANCE, `gradient norms differ by ${norms}`);
        assert.deepEqual(reports[0]!.losses.length, STEPS);
      });
    }
  }

  test('gradients that come in several pieces, as of checkpoints, are summed whole', async () => {
    for (const sharding of ['ddp', 'zero2'] as const) {
      const [report] = await run(2, { sharding, gradCheckpointing: true });
      const losses = difference(report!.losses, alone.losses);
      assert.ok(losses < TOLERANCE, `${sharding}: losses differ by ${losses}`);
    }
  });

  test('matrices that Muon updates end as in one process, however they are shared out', async () => {
    const [one] = await run(1, { muon: true });
    assert.notDeepEqual(one!.losses, alone.losses);
    for (const sharding of ['ddp', 'zero2'] as const) {
      const reports = await run(2, { sharding, muon: true });
      assert.equal(reports[0]!.weights, reports[1]!.weights, sharding);
      const losses = difference(reports[0]!.losses, one!.losses);
      // its iteration makes small singular values, and what rounding adds to them, 480 times larger
      assert.ok(losses < 480 * TOLERANCE, `${sharding}: losses differ by ${losses}`);
    }
  });

  test('parameters in bfloat16 end the same in all processes', async () => {
    for (const sharding of ['ddp', 'zero2'] as const) {
      const reports = await run(2, { sharding, dtype: 'bfloat16' });
      assert.equal(reports[0]!.weights, reports[1]!.weights, sharding);
    }
  });

  test('most sums are under way before the last gradient is made', () => {
    for (const [sharding, reports] of ofFour) {
      // the last step's samples are of ranks 1 and 2
      for (const { early, sums } of [reports[1]!, reports[2]!]) {
        assert.ok(early > 0.7 * sums, `${sharding}: ${early} of ${sums}`);
      }
    }
  });

  test('what a process holds shrinks with the sharding', () => {
    const size = 4;
    const [ddp, zero1, zero2] = ['ddp', 'zero1', 'zero2'].map(
      (sharding) => ofFour.get(sharding as Case['sharding'])!,
    ) as [Report[], Report[], Report[]];
    const parameters = alone.averaged;
    const step = 1;
    for (let rank = 0; rank < size; rank++) {
      // averages, and what is written to checkpoints: each parameter once
      const own = ddp[rank]!.averaged;
      assert.ok(Math.abs(own / parameters - 1 / size) < 0.02, `rank ${rank} owns ${own}`);
      for (const report of [ddp[rank]!, zero1[rank]!, zero2[rank]!]) {
        assert.deepEqual([report.averaged, report.held], [own, 2 * own + step]);
      }
      // a quarter of the gradients; the allocator rounds small sizes up
      const [all, owned] = [zero1[rank]!.gradientBytes, zero2[rank]!.gradientBytes];
      assert.ok(owned < all / 3, `zero1 ${all}, zero2 ${owned} bytes`);
      assert.ok(all > 4 * parameters, `zero1 ${all} bytes`);
      // half an all-reduce for the gradients, the other half for the weights
      const [whole, halves] = [ddp[rank]!.bytes, zero2[rank]!.bytes];
      assert.ok(halves < 1.2 * whole, `ddp sends ${whole}, zero2 ${halves} bytes`);
    }
  });

  test('a checkpoint of 2 processes goes on with 1 and with 4, in another sharding', async () => {
    const half = { steps: STEPS / 2, checkpoints: join(folder, 'half') };
    const first = await run(2, { sharding: 'zero2', ...half });
    const go = (size: number, sharding: Case['sharding']) => {
      const own = join(folder, `${size}`);
      cpSync(half.checkpoints, own, { recursive: true });
      return run(size, { sharding, ...half, checkpoints: own });
    };
    const [one] = await go(1, 'ddp');
    const [four] = await go(4, 'zero1');
    const [two] = await go(2, 'ddp');
    for (const [name, report] of Object.entries({ one, two, four })) {
      const losses = difference([...first[0]!.losses, ...report!.losses], alone.losses);
      assert.ok(losses < TOLERANCE, `${name}: losses differ by ${losses}`);
    }
  });
});
