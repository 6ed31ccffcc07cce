/** Axes: convert values to pixels, and place ticks. */
import { scaleLinear, scaleLog } from 'd3-scale';

export interface Axis {
  at(value: number): number;
  ticks: number[];
}

export interface AxisOptions {
  /** lowest and highest value */
  range: readonly [number, number];
  /** pixel positions of the lowest and the highest value */
  from: number;
  to: number;
  /** logarithmic; all values must be above 0 */
  log?: boolean;
}

/** Number of ticks to aim for; d3-scale chooses round numbers that come closest. */
const TICKS = 5;

/** An axis with three to eight ticks, at round numbers within the range. */
export function axisOf({ range, from, to, log = false }: AxisOptions): Axis {
  const scale = (log ? scaleLog() : scaleLinear())
    .domain(widened(range, log))
    .range([from, to])
    .unknown(Number.NaN);
  // on a logarithmic axis d3-scale gives crowded ticks an empty label
  const ticks = scale.ticks(TICKS);
  const written = ticks.filter(scale.tickFormat(TICKS));
  return { at: (value) => scale(value), ticks: written.length < 3 ? ticks : written };
}

/** Widens a range that has no width. */
function widened([low, high]: readonly [number, number], log: boolean): [number, number] {
  if (high > low) return [low, high];
  if (log) return [low / 1.5, low * 1.5];
  const half = Math.abs(low) / 10 || 1;
  return [low - half, low + half];
}

/** `0.05`, `350`, `2k`, `1.5M`, `2e-5` */
export function tickText(value: number): string {
  const size = Math.abs(value);
  const short = (digits: number) => String(Number(digits.toPrecision(6)));
  if (size >= 1e6) return `${short(value / 1e6)}M`;
  if (size >= 1e3) return `${short(value / 1e3)}k`;
  if (size !== 0 && size < 1e-3) return value.toExponential().replace('e+', 'e');
  return short(value);
}
