/**
 * A progress line on stderr: how far a long job is, its rate, and the time left.
 *
 *     sampling  12/50 steps  2.3 steps/s  17 s left  loss 0.21
 *
 * On a terminal the line is rewritten in place; elsewhere (a log file) a line is added every few
 * seconds. Jobs shorter than two seconds show nothing.
 */
import { formatBytes } from '../../format-bytes.js';
import { printable, writeControls } from './printable.js';

export { formatBytes };

export interface ProgressOptions {
  /** what is going on, e.g. `sampling` */
  label: string;
  /** number of units, if known */
  total?: number;
  /** plural name of the units; '' shows no counts; 'bytes' are shown as kB, MB, GB */
  unit?: string;
  stream?: { write(text: string): unknown; isTTY?: boolean; columns?: number };
  /** monotonic time in milliseconds */
  now?: () => number;
}

const CLEAR_LINE = '\r\x1b[2K';
const QUIET_MS = 2000;
const TERMINAL_MS = 100;
const LOG_MS = 5000;
/** The interval between log lines grows with this share of the elapsed time, up to a minute. */
const LOG_SHARE = 0.02;
const LOG_MOST_MS = 60_000;
/**
 * The rate is measured over the last half of the time, and at least half a minute: a slow start must
 * not distort it, and pauses (sheets of samples) count by their share of the time.
 */
const WINDOW_SHARE = 0.5;
const WINDOW_MS = 30_000;
/** At most about this many measurements are kept of a window. */
const MEMORY = 100;
/** A rate is shown once its relative standard error is below this. */
const MOST_ERROR = 0.25;

/** The limit of a job that ends after a given time rather than a number of units. */
export interface TimeLimit {
  seconds: number;
  /** share of the time that has passed, 0..1 */
  share: number;
}

/** The progress at one moment. */
interface Place {
  ms: number;
  done: number;
  /** share of the whole job, 0..1; null if not known */
  share: number | null;
}

export class Progress {
  private readonly startMs: number;
  /** measurements since the first update; the start-up time before it says nothing about the rest */
  private places: Place[] = [];
  private shownMs = -Infinity;
  private lineShown = false;
  private ended = false;

  constructor(private readonly options: ProgressOptions) {
    this.startMs = this.now();
  }

  /**
   * Reports that `done` units are finished; `note` is shown at the end of the line.
   * @param limit  for a job that takes a given time, however much it gets done
   */
  update(done: number, note = '', limit?: TimeLimit): void {
    if (this.ended) return;
    const ms = this.now();
    this.remember({ ms, done, share: limit?.share ?? this.shareOf(done) });
    const elapsedMs = ms - this.startMs;
    if (elapsedMs < QUIET_MS) return;
    const logMs = Math.min(LOG_MOST_MS, Math.max(LOG_MS, LOG_SHARE * elapsedMs));
    if (ms - this.shownMs < (this.stream.isTTY ? TERMINAL_MS : logMs)) return;
    this.shownMs = ms;
    this.show(this.line(done, note, limit));
  }

  /** Prints `text` on a line of its own without disturbing the progress line. */
  log(text: string): void {
    this.clear();
    this.stream.write(`${text}\n`);
    this.shownMs = -Infinity;
  }

  /** Clears the line until the next update, so that stdout can be written to. */
  clear(): void {
    if (this.lineShown) writeControls(this.stream, CLEAR_LINE);
    this.lineShown = false;
  }

  /** Clears the line and prints `summary`, if given. Safe to call twice, so it can be used in `finally`. */
  end(summary = ''): void {
    if (this.ended) return;
    this.ended = true;
    this.clear();
    if (summary !== '') this.stream.write(`${summary}\n`);
  }

  private remember(place: Place): void {
    const windowMs = Math.max(WINDOW_MS, WINDOW_SHARE * (place.ms - this.startMs));
    const last = this.places.at(-1);
    // a run may go back to a checkpoint
    if (!last || place.done < last.done) this.places = [];
    while (this.places.length > 1 && place.ms - this.places[0]!.ms > windowMs) this.places.shift();
    const before = this.places.at(-1);
    if (!before || place.ms - before.ms >= windowMs / MEMORY) this.places.push(place);
  }

  private line(done: number, note: string, limit?: TimeLimit): string {
    const { label, total, unit = 'steps' } = this.options;
    const share = limit?.share ?? this.shareOf(done);
    const parts = [label];
    if (unit !== '') {
      parts.push(formatCount(done, limit ? undefined : total, unit));
      const perSecond = rateOf(this.places, (place) => place.done);
      if (perSecond !== null) parts.push(formatRate(perSecond, unit));
    }
    if (share !== null && (unit === '' || limit)) {
      const percent = `${Math.floor(100 * share)}%`;
      parts.push(limit ? `${percent} of ${formatDuration(limit.seconds)}` : percent);
    }
    const sharePerSecond = rateOf(this.places, (place) => place.share ?? 0);
    if (share !== null && sharePerSecond !== null) {
      parts.push(`${formatDuration((1 - share) / sharePerSecond)} left`);
    }
    if (note !== '') parts.push(note);
    return parts.join('  ');
  }

  private shareOf(done: number): number | null {
    const { total } = this.options;
    return total === undefined ? null : total > 0 ? done / total : 1;
  }

  private show(line: string): void {
    if (this.stream.isTTY) {
      const columns = this.stream.columns || 80;
      writeControls(this.stream, `${CLEAR_LINE}${printable(line).slice(0, columns - 1)}`);
      this.lineShown = true;
    } else {
      this.stream.write(`${line}\n`);
    }
  }

  private get stream() {
    return this.options.stream ?? process.stderr;
  }

  private now(): number {
    return (this.options.now ?? (() => performance.now()))();
  }
}

/** Units per second over these measurements; null while they are too few or too uncertain. */
function rateOf(places: readonly Place[], unitsOf: (place: Place) => number): number | null {
  const steps = places.slice(1).map((place, i) => ({
    ms: place.ms - places[i]!.ms,
    units: unitsOf(place) - unitsOf(places[i]!),
  }));
  const ms = steps.reduce((sum, step) => sum + step.ms, 0);
  const units = steps.reduce((sum, step) => sum + step.units, 0);
  if (steps.length < 2 || !(units > 0)) return null;
  // the standard error of a ratio of sums, from the deviation of each step's time from the mean
  const squares = steps.reduce((sum, step) => sum + (step.ms - (step.units * ms) / units) ** 2, 0);
  const error = Math.sqrt((squares * steps.length) / (steps.length - 1)) / ms;
  return error < MOST_ERROR ? units / (ms / 1000) : null;
}

/** `12/50 steps`, `0.52/4.20 GB` */
function formatCount(done: number, total: number | undefined, unit: string): string {
  if (unit !== 'bytes') return total === undefined ? `${done} ${unit}` : `${done}/${total} ${unit}`;
  if (total === undefined) return formatBytes(done);
  const [whole, prefixed] = formatBytes(total).split(' ');
  return `${formatBytes(done, prefixed).split(' ')[0]}/${whole} ${prefixed}`;
}

/** `2.3 steps/s`; below one per second `3.2 s per step` */
export function formatRate(perSecond: number, unit: string): string {
  if (unit === 'bytes') return `${formatBytes(perSecond)}/s`;
  if (perSecond >= 1)
    return `${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)} ${unit}/s`;
  return `${(1 / perSecond).toFixed(1)} s per ${unit.replace(/s$/, '')}`;
}

/** `17 s`, `4 min 10 s`, `2 h 05 min` */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}
