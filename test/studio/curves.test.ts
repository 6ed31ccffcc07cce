import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Figure, MetricPoint, RunMetrics } from '../../studio/api/types.js';
import { chartsOf, partsOf, titleOf } from '../../studio/logic/curves.js';

const line = (count: number, value: number | null = 1): MetricPoint[] =>
  Array.from({ length: count }, (_, i) => [i + 1, i, i, value]);
const run = (name: string, part: string, figures: Record<string, Figure>): RunMetrics => ({
  object: 'run.metrics',
  run: name,
  parts: [{ part, step: 1, figures }],
});

describe('the charts of a training', () => {
  test('lay the curves of two runs over each other, figure by figure', () => {
    const runs = [
      run('a', 'transformer', { loss: { kind: 'loss', points: line(3) } }),
      run('b', 'transformer', {
        loss: { kind: 'loss', points: line(2) },
        validation: { kind: 'validation', points: line(1) },
      }),
    ];
    const charts = chartsOf(runs, 'transformer');
    assert.deepEqual(
      charts.map(({ figure, curves }) => [figure, curves.map((curve) => curve.run)]),
      [
        ['loss', ['a', 'b']],
        ['validation', ['b']],
      ],
    );
    assert.deepEqual(partsOf(runs), ['transformer']);
    assert.deepEqual(chartsOf(runs, 'vae'), []);
  });

  test('begin with the whole loss, then that of each task, and end with the speed', () => {
    const figures: Record<string, Figure> = {
      samplesPerSecond: { kind: 'state', points: line(1) },
      'loss/t2v': { kind: 'loss', points: line(1) },
      validation: { kind: 'validation', points: line(1) },
      loss: { kind: 'loss', points: line(1) },
    };
    const order = chartsOf([run('a', 'vae', figures)], 'vae').map(({ figure }) => titleOf(figure));
    assert.deepEqual(order, ['loss', 'loss of t2v', 'validation', 'samples per second']);
  });

  test('smooth many values of a loss, and nothing else', () => {
    const of = (kind: Figure['kind'], count: number) =>
      chartsOf([run('a', 'vae', { x: { kind, points: line(count) } })], 'vae')[0]!.curves[0]!
        .smoothed;
    assert.equal(of('loss', 40)!.length, 40);
    assert.equal(of('loss', 5), null);
    assert.equal(of('state', 40), null);
  });

  test('have a gap where a value is missing', () => {
    const [chart] = chartsOf(
      [run('a', 'vae', { loss: { kind: 'loss', points: line(1, null) } })],
      'vae',
    );
    assert.ok(Number.isNaN(chart!.curves[0]!.points[0]![1]));
  });
});
