/** What the charts of a training show. */
import { FEW_POINTS, smooth } from '../../src/train/run/smooth.js';
import type { Figure, RunMetrics } from '../api/types.js';

export interface Curve {
  run: string;
  points: readonly (readonly [x: number, y: number])[];
  /** as many as points, or null if there are too few to smooth */
  smoothed: readonly number[] | null;
}

export interface ChartData {
  figure: string;
  kind: Figure['kind'];
  curves: readonly Curve[];
}

/** Weight of the values before, as in `mfm runs --plot`. */
const SMOOTHING = 0.8;

/** The parts of all runs, in the order of the first. */
export const partsOf = (runs: readonly RunMetrics[]): string[] => [
  ...new Set(runs.flatMap(({ parts }) => parts.map(({ part }) => part))),
];

/** A chart for every figure of a part, those of several runs over each other. */
export function chartsOf(runs: readonly RunMetrics[], part: string): ChartData[] {
  const charts = new Map<string, ChartData & { curves: Curve[] }>();
  for (const { run, parts } of runs) {
    const own = parts.find((one) => one.part === part);
    for (const [figure, { kind, points }] of Object.entries(own?.figures ?? {})) {
      const chart = charts.get(figure) ?? { figure, kind, curves: [] };
      charts.set(figure, chart);
      chart.curves.push(curveOf(run, kind, points));
    }
  }
  return [...charts.values()].sort((a, b) => rank(a) - rank(b));
}

function curveOf(run: string, kind: Figure['kind'], measured: Figure['points']): Curve {
  const points = measured.map(([step, , , value]) => [step, value ?? Number.NaN] as const);
  const isNoisy = kind === 'loss' && points.length >= FEW_POINTS;
  const values = points.map(([, y]) => y);
  return { run, points, smoothed: isNoisy ? smooth(values, SMOOTHING) : null };
}

const KINDS: readonly Figure['kind'][] = ['loss', 'validation', 'quality', 'state'];

/** The whole loss first, then those of the tasks and of noise levels, then what is held out, then the rest. */
const rank = ({ figure, kind }: ChartData): number =>
  KINDS.indexOf(kind) * 3 + (figure.includes('/') ? 1 : 0) + (figure.includes('sigma') ? 1 : 0);

/** `loss/t2v` → `loss of t2v`; `samplesPerSecond` → `samples per second` */
export function titleOf(figure: string): string {
  const [name = '', ...tasks] = figure.split('/');
  const words = name.replaceAll(/([A-Z])/g, ' $1').toLowerCase();
  return tasks.length > 0 ? `${words} of ${tasks.join(' ')}` : words;
}
