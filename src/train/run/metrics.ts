/**
 * Reading what a run has recorded: the lines of its metrics.jsonl, as series by part and figure.
 *
 *     {"part": "transformer", "step": 20, "time": "2026-01-31T18:22:04.679Z", "loss": 0.186, "loss/t2v": 0.21, …}
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Point {
  step: number;
  /** of training, since the part began */
  seconds: number;
  /** trained on, since the part began; 0 throughout if the lines tell no rate */
  samples: number;
  /** NaN where the loop met one */
  value: number;
}

export interface PartMetrics {
  part: string;
  /** the last one with a line */
  step: number;
  /** of the last line, milliseconds since 1970 */
  timeMs: number;
  /** in the order in which they first occur */
  figures: Map<string, Point[]>;
}

/** Better is lower for a loss and its validation, higher for quality; the rest is neither. */
export type FigureKind = 'loss' | 'validation' | 'quality' | 'state';

/** By its name; what is none of the others is a loss, as each task's is. */
export function kindOf(figure: string): FigureKind {
  return KINDS.find(([pattern]) => pattern.test(figure))?.[1] ?? 'loss';
}

const KINDS: readonly (readonly [RegExp, FigureKind])[] = [
  [/psnr|ssim/i, 'quality'],
  [/^validation/, 'validation'],
  [
    /(^|\/)(gradNorm|learningRate|skipped|imageShare|busy|seconds|samples)$|PerSecond$|Share$|Seconds$|Bytes$/,
    'state',
  ],
];

/**
 * The parts of a run in the order of their beginnings; none if nothing is recorded yet.
 *
 * A run that goes on repeats the steps since its checkpoint: a line drops those of its part before
 * it whose step is higher or the same (of the same, only figures that it has too). Lines that are
 * torn are passed over. `seconds` and `samples` in a line are the counts since the part began;
 * without them seconds come from the times, less pauses, and samples from `samplesPerSecond`.
 */
export function readMetrics(folder: string): PartMetrics[] {
  const path = join(folder, 'metrics.jsonl');
  if (!existsSync(path)) return [];
  const parts = new Map<string, Line[]>();
  for (const text of readFileSync(path, 'utf8').split('\n')) {
    const line = parseLine(text);
    if (line === null) continue;
    const own = parts.get(line.part) ?? [];
    if (own.length === 0) parts.set(line.part, own);
    while (own.length > 0 && own.at(-1)!.step > line.step) {
      own.pop();
      line.resumed = true;
    }
    own.push(line);
  }
  return [...parts].map(([part, lines]) => seriesOf(part, lines));
}

/**
 * Follows `values` exponentially, as TensorBoard's slider does.
 * @param weight  0..1, the share that each value takes from those before it
 * @returns as many; NaN where the value is, which the others don't feel
 */
export function smooth(values: readonly number[], weight: number): number[] {
  let sum = 0;
  let total = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return Number.NaN;
    sum = sum * weight + value;
    total = total * weight + 1; // a mean from the first value on, without a start at 0
    return sum / total;
  });
}

/** So few are looked at as they are. */
export const FEW_POINTS = 30;

/** Set rather than measured: smoothing would only delay them. */
export const isSet = (figure: string): boolean => /^(learningRate|imageShare)$/.test(figure);

/** The last value of a figure, smoothed where there are many and it is measured; null without any. */
export function lastOf(figure: string, points: readonly Point[] | undefined): number | null {
  const values = points?.map(({ value }) => value) ?? [];
  const asIs = values.length < FEW_POINTS || isSet(figure);
  return (asIs ? values : smooth(values, LAST_SMOOTHING)).at(-1) ?? null;
}

/** About the last five lines: enough for a mean, too few to be late where a loss falls fast. */
const LAST_SMOOTHING = 0.8;

interface Line {
  part: string;
  step: number;
  timeMs: number;
  figures: [string, number][];
  /** steps before it were done a second time */
  resumed: boolean;
}

/** Null for what is no line, an empty or torn one among them. */
function parseLine(text: string): Line | null {
  // the first line after a torn one stands behind it
  const start = text.lastIndexOf('{"part"');
  if (start < 0) return null;
  let value: unknown;
  try {
    value = JSON.parse(text.slice(start));
  } catch {
    return null;
  }
  const { part, step, time, ...rest } = value as Record<string, unknown>;
  const timeMs = Date.parse(String(time));
  if (typeof part !== 'string' || typeof step !== 'number' || Number.isNaN(timeMs)) return null;
  const figures = Object.entries(rest).flatMap(([name, figure]): [string, number][] => {
    if (figure === null) return [[name, Number.NaN]]; // JSON has no NaN
    return typeof figure === 'number' ? [[name, figure]] : [];
  });
  return { part, step, timeMs, figures, resumed: false };
}

function seriesOf(part: string, lines: readonly Line[]): PartMetrics {
  const figures = new Map<string, Point[]>();
  const pauseMs = Math.max(MIN_PAUSE_MS, 10 * usualGapMs(lines));
  let seconds = 0;
  let samples = 0;
  let previous: Line | undefined;
  for (const line of lines) {
    const own = new Map(line.figures);
    const gapMs = previous ? Math.max(0, line.timeMs - previous.timeMs) : 0;
    const passed = line.resumed || gapMs > pauseMs ? 0 : gapMs / 1000;
    seconds = own.get('seconds') ?? seconds + passed;
    samples = own.get('samples') ?? samples + passed * (own.get('samplesPerSecond') ?? 0);
    for (const [name, value] of own) {
      if (name === 'seconds' || name === 'samples') continue;
      const points = figures.get(name) ?? [];
      figures.set(name, points);
      if (points.at(-1)?.step === line.step) points.pop();
      points.push({ step: line.step, seconds, samples, value });
    }
    previous = line;
  }
  return { part, step: previous!.step, timeMs: previous!.timeMs, figures };
}

/** Between two lines: sheets and validation take less, a machine that is off for the night more. */
const MIN_PAUSE_MS = 10 * 60_000;

function usualGapMs(lines: readonly Line[]): number {
  const gaps = lines.slice(1).map(({ timeMs }, i) => timeMs - lines[i]!.timeMs);
  return gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0;
}
