import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { axisOf, tickText } from '../../../src/cli/charts/axis.js';

describe('axes', () => {
  test('have three to eight round ticks within the range', () => {
    for (const log of [false, true]) {
      for (const low of [0.001, 0.05, 0.9, 4]) {
        for (const ratio of [1.01, 1.3, 2, 7, 50, 1000, 1e6]) {
          const { ticks, at } = axisOf({ range: [low, low * ratio], from: 0, to: 100, log });
          assert.ok(ticks.length >= 3 && ticks.length <= 8, `${log} ${low} ${ratio}: ${ticks}`);
          assert.ok(
            ticks.every((tick) => tick >= low * 0.999 && tick <= low * ratio * 1.001),
            `${ticks}`,
          );
          assert.ok(Math.abs(at(low)) < 1e-9 && Math.abs(at(low * ratio) - 100) < 1e-9, 'ends');
        }
      }
    }
  });

  test('write their ticks shortly', () => {
    const written = [0, 0.05, 350, 2000, 1_500_000, 2e-5].map(tickText);
    assert.deepEqual(written, ['0', '0.05', '350', '2k', '1.5M', '2e-5']);
  });
});
