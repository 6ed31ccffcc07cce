import { line } from 'd3-shape';
import { axisOf, tickText } from '../../../src/cli/charts/axis.js';
import type { ChartData, Curve } from '../../logic/curves.js';
import { titleOf } from '../../logic/curves.js';

const FRAME = { width: 420, height: 210, left: 48, right: 14, top: 12, bottom: 26 };

interface ChartProps {
  chart: ChartData;
  /** in the order of their colours */
  runs: readonly string[];
}

/** The curves of one figure; those of several runs lie over each other. */
export function Chart({ chart, runs }: ChartProps) {
  const { figure, curves } = chart;
  const shown = curves.flatMap(({ points, smoothed }) =>
    points.map(([, y], i) => smoothed?.[i] ?? y).filter(Number.isFinite),
  );
  const steps = curves.flatMap(({ points }) => points.map(([x]) => x));
  if (shown.length === 0) return null;
  const { width, height, left, right, top, bottom } = FRAME;
  const room = (Math.max(...shown) - Math.min(...shown)) * 0.08;
  const lowest = Math.min(...shown) - room;
  const across = axisOf({
    range: [Math.min(...steps), Math.max(...steps)],
    from: left,
    to: width - right,
  });
  const up = axisOf({
    range: [Math.min(...shown) >= 0 ? Math.max(0, lowest) : lowest, Math.max(...shown) + room],
    from: height - bottom,
    to: top,
  });
  const latest = curves.map((curve) => `${curve.run}: ${lastText(curve)}`).join('; ');
  return (
    <figure class="chart">
      <figcaption>
        {titleOf(figure)} <span class="quiet">{curves.map(lastText).join(' / ')}</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={`${titleOf(figure)}, ${latest}`}
      >
        {up.ticks.map((tick) => (
          <g key={tick} class="tick">
            <path d={`M${left} ${up.at(tick)}H${width - right}`} />
            <text x={left - 6} y={up.at(tick) + 3.5} text-anchor="end">
              {tickText(tick)}
            </text>
          </g>
        ))}
        {across.ticks.filter(Number.isInteger).map((tick) => (
          <text key={tick} class="tick" x={across.at(tick)} y={height - 8} text-anchor="middle">
            {tickText(tick)}
          </text>
        ))}
        {curves.map((curve) => (
          <g key={curve.run} class={`curve c${runs.indexOf(curve.run)}`}>
            {curve.smoothed && <path class="faint" d={pathOf(curve.points, across.at, up.at)} />}
            <path d={pathOf(smoothedPoints(curve), across.at, up.at)} />
            {curve.points.length < 12 &&
              curve.points.map(([x, y]) =>
                Number.isFinite(y) ? (
                  <circle key={x} cx={across.at(x)} cy={up.at(y)} r={2.6} />
                ) : null,
              )}
          </g>
        ))}
      </svg>
    </figure>
  );
}

const smoothedPoints = ({ points, smoothed }: Curve): Curve['points'] =>
  smoothed ? points.map(([x], i) => [x, smoothed[i]!] as const) : points;

function pathOf(
  points: Curve['points'],
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  const path = line<readonly [number, number]>(
    ([at]) => x(at),
    ([, value]) => y(value),
  )
    .defined(([, value]) => Number.isFinite(value))
    .digits(1);
  return path(points) ?? '';
}

function lastText(curve: Curve): string {
  const last = smoothedPoints(curve).findLast(([, y]) => Number.isFinite(y));
  return last ? String(Number(last[1].toPrecision(3))) : '';
}
