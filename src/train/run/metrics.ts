/**
 * Reads the metrics.jsonl of a run, as one series of points for each part and figure.
 *
 *     {"part": "transformer", "step": 20, "time": "2026-01-31T18:22:04.679Z", "loss": 0.186, "loss/t2v": 0.21, …}
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FEW_POINTS, smooth } from './smooth.js';

export { FEW_POINTS, smooth };

export interface Point {
  step: number;
  /** seconds of training since the part began */
  seconds: number;
  /** samples trained on since the part began; always 0 if the lines hold no rate */
  samples: number;
  /** NaN where the loop computed NaN */
  value: number;
}

export interface PartMetrics {
  part: string;
  /** the last step with a line */
  step: number;
  /** time of the last line, milliseconds since 1970 */
  timeMs: number;
  /** by name, in the order in which they first occur */
  figures: Map<string, Point[]>;
}

/**
 * Losses and validation should be low, quality high; `state` is everything that is neither good nor
 * bad.
 */
export type FigureKind = 'loss' | 'validation' | 'quality' | 'state';

/** The kind of a figure, by its name; a name that fits no pattern is a loss, such as a task's. */
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
 * The parts of a run in the order in which they began; none if nothing is recorded yet.
 *
 * A resumed run repeats the steps since its checkpoint. So a line replaces the earlier lines of its
 * part with a higher step, and of the same step the figures that it has too. Torn lines are skipped.
 * `seconds` and `samples` in a line count from the beginning of the part; where they are missing,
 * seconds follow from the times, without pauses, and samples from `samplesPerSecond`.
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

/** Is a figure set rather than measured? Smoothing would only delay it. */
export const isSet = (figure: string): boolean => /^(learningRate|imageShare)$/.test(figure);

/**
 * The last value of a figure, smoothed if it is measured and has many points; null if it has none.
 */
export function lastOf(figure: string, points: readonly Point[] | undefined): number | null {
  const values = points?.map(({ value }) => value) ?? [];
  const asIs = values.length < FEW_POINTS || isSet(figure);
  return (asIs ? values : smooth(values, LAST_SMOOTHING)).at(-1) ?? null;
}

/**
 * Averages about the last five lines: enough to reduce noise, few enough to follow a fast fall of
 * the loss.
 */
const LAST_SMOOTHING = 0.8;

interface Line {
  part: string;
  step: number;
  timeMs: number;
  figures: [string, number][];
  /** the run was resumed before this line, and repeated steps */
  resumed: boolean;
}

/** Parses a line; null if it is empty, torn or not a line of metrics. */
function parseLine(text: string): Line | null {
  // a line may follow a torn one without a line break
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

/**
 * A longer gap between two lines counts as a pause: sheets and validation take less, a machine that
 * is off more.
 */
const MIN_PAUSE_MS = 10 * 60_000;

function usualGapMs(lines: readonly Line[]): number {
  const gaps = lines.slice(1).map(({ timeMs }, i) => timeMs - lines[i]!.timeMs);
  return gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0;
}
