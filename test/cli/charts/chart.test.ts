import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chart } from '../../../src/cli/charts/chart.js';

describe('chart', () => {
  test('draws every curve inside its frame, from one point on', () => {
    const curves = ['a', 'b & c'].map((name, i) => ({
      name,
      points: [
        [0, 3],
        [10, 1 + i],
        [20, 0.5],
      ] as [number, number][],
    }));
    for (const drawn of [curves, [{ name: 'one', points: [[20, 2.8]] as [number, number][] }]]) {
      const svg = chart('loss', drawn, 'steps');
      const paths = [...svg.matchAll(/d="([^"]+)" fill="none"/g)].map(([, path]) => path!);
      assert.equal(paths.length, drawn.length);
      assert.equal(svg.match(/<circle/g)!.length, drawn.flatMap(({ points }) => points).length);
      for (const [i, path] of paths.entries()) {
        const points = path.split(/[MLZ]/).filter((word) => word !== '');
        assert.equal(points.length, drawn[i]!.points.length);
        for (const point of points) {
          const [x, y] = point.split(',').map(Number);
          assert.ok(x! >= 0 && x! <= 460 && y! >= 0 && y! <= 230, point);
        }
      }
    }
    assert.match(chart('loss', curves, 'steps'), />b &amp; c</);
  });

  test('writes names that would lie over one another apart and above the axis', () => {
    const curves = ['a', 'b', 'c'].map((name) => ({
      name,
      points: [
        [1, 0],
        [2, 0.001],
      ] as const,
    }));
    const top = {
      name: 'd',
      points: [
        [1, 1],
        [2, 1],
      ] as const,
    };
    const svg = chart('loss', [...curves, top], 'steps');
    const heights = ['d', 'a', 'b', 'c'].map((name) =>
      Number(new RegExp(`y="([\\d.]+)"[^>]*>${name}<`).exec(svg)![1]),
    );
    heights.forEach((y, i) => {
      assert.ok(y <= 230 - 40 + 4 && (i === 0 || y - heights[i - 1]! >= 14), `${heights}`);
    });
  });

  test('is empty without points', () => {
    assert.equal(chart('loss', [{ name: 'a', points: [] }], 'steps'), '');
  });
});
