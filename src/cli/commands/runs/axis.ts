/** Axes: from values to pixels, and where the ticks are. */

export interface Axis {
  at(value: number): number;
  ticks: number[];
}

export interface AxisOptions {
  /** lowest and highest value */
  range: readonly [number, number];
  /** the pixels of these */
  from: number;
  to: number;
  /** needs values above 0 */
  log?: boolean;
}

/** Ticks are round numbers within the range, three to six. */
export function axisOf({ range, from, to, log = false }: AxisOptions): Axis {
  const [low, high] = widened(range, log);
  const scale = log ? Math.log10 : (value: number) => value;
  const share = (value: number) => (scale(value) - scale(low)) / (scale(high) - scale(low));
  return {
    at: (value) => from + share(value) * (to - from),
    ticks: log ? logTicks(low, high) : linearTicks(low, high),
  };
}

/** A range that has no width gets some. */
function widened([low, high]: readonly [number, number], log: boolean): [number, number] {
  if (high > low) return [low, high];
  if (log) return [low / 1.5, low * 1.5];
  const half = Math.abs(low) / 10 || 1;
  return [low - half, low + half];
}

function linearTicks(low: number, high: number): number[] {
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough)!;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** The finest of these with at most six, of which there are at least three; else as a linear axis. */
const LOG_FACTORS = [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]];

function logTicks(low: number, high: number): number[] {
  const powers = Array.from(
    { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, i) => i + Math.floor(Math.log10(low)),
  );
  for (const factors of LOG_FACTORS) {
    const ticks = powers
      .flatMap((power) => factors.map((factor) => Number(`${factor}e${power}`)))
      .filter((tick) => tick >= low && tick <= high);
    if (ticks.length < 3) break;
    if (ticks.length <= 6) return ticks;
  }
  if (high / low < 100) return linearTicks(low, high);
  const every = Math.ceil(powers.length / 6);
  return powers
    .filter((power) => power % every === 0)
    .map((power) => Number(`1e${power}`))
    .filter((tick) => tick >= low && tick <= high);
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
