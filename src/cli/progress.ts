/**
 * A line on stderr that says how far a long job is, how fast it goes and how long it will take.
 *
 *     sampling  12/50 steps  2.3 steps/s  17 s left  loss 0.21
 *
 * On a terminal the line is rewritten in place; elsewhere (a log file) a line is added every few
 * seconds. Jobs shorter than two seconds show nothing.
 */
import { printable, writeControls } from './printable.js';

export interface ProgressOptions {
  /** what is going on, e.g. `sampling` */
  label: string;
  /** how many units there are, if that is known */
  total?: number;
  /** plural name of what is counted; '' shows no counts; 'bytes' are shown as kB, MB, GB */
  unit?: string;
  /** where it starts, for a job that goes on (default 0) */
  start?: number;
  stream?: { write(text: string): unknown; isTTY?: boolean; columns?: number };
  /** milliseconds that only go up */
  now?: () => number;
}

const CLEAR_LINE = '\r\x1b[2K';
const QUIET_MS = 2000;
const TERMINAL_MS = 100;
const LOG_MS = 5000;
/**
 * The rate is that of the last half of the time, and of half a minute at least: a slow start must
 * not spoil it, and pauses (sheets of samples) count by their share of the time.
 */
const WINDOW_SHARE = 0.5;
const WINDOW_MS = 30_000;
/** So many places of a window are remembered. */
const MEMORY = 100;

export class Progress {
  private readonly startMs: number;
  private samples: { ms: number; done: number }[];
  private shownMs = -Infinity;
  private lineShown = false;
  private ended = false;

  constructor(private readonly options: ProgressOptions) {
    this.startMs = this.now();
    this.samples = [{ ms: this.startMs, done: options.start ?? 0 }];
  }

  /** Says that `done` units are finished; `note` is shown at the end of the line. */
  update(done: number, note = ''): void {
    if (this.ended) return;
    const ms = this.now();
    const windowMs = Math.max(WINDOW_MS, WINDOW_SHARE * (ms - this.startMs));
    // a run may go back to a checkpoint
    if (done < this.samples.at(-1)!.done) this.samples = [{ ms, done }];
    while (this.samples.length > 1 && ms - this.samples[0]!.ms > windowMs) this.samples.shift();
    const first = this.samples[0]!;
    if (ms - this.samples.at(-1)!.ms >= windowMs / MEMORY) this.samples.push({ ms, done });
    if (ms - this.startMs < QUIET_MS) return;
    if (ms - this.shownMs < (this.stream.isTTY ? TERMINAL_MS : LOG_MS)) return;
    this.shownMs = ms;
    const perSecond = ms > first.ms ? (done - first.done) / ((ms - first.ms) / 1000) : 0;
    this.show(this.line(done, perSecond, note));
  }

  /** Prints `text` on a line of its own without disturbing the progress line. */
  log(text: string): void {
    this.clear();
    this.stream.write(`${text}\n`);
    this.shownMs = -Infinity;
  }

  /** Takes the line away until the next update, for what is written to stdout. */
  clear(): void {
    if (this.lineShown) writeControls(this.stream, CLEAR_LINE);
    this.lineShown = false;
  }

  /** Removes the line; `summary`, if given, stays. Safe to call twice, so it fits in `finally`. */
  end(summary = ''): void {
    if (this.ended) return;
    this.ended = true;
    this.clear();
    if (summary !== '') this.stream.write(`${summary}\n`);
  }

  private line(done: number, perSecond: number, note: string): string {
    const { label, total, unit = 'steps' } = this.options;
    const parts = [label];
    if (unit !== '') {
      parts.push(formatCount(done, total, unit));
      if (perSecond > 0) parts.push(formatRate(perSecond, unit));
    } else if (total !== undefined) {
      parts.push(`${Math.floor((100 * done) / total)}%`);
    }
    if (total !== undefined && perSecond > 0) {
      parts.push(`${formatDuration((total - done) / perSecond)} left`);
    }
    if (note !== '') parts.push(note);
    return parts.join('  ');
  }

  private show(line: string): void {
    if (this.stream.isTTY) {
      const columns = this.stream.columns ?? 80;
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

/** `12/50 steps`, `0.52/4.20 GB` */
function formatCount(done: number, total: number | undefined, unit: string): string {
  if (unit !== 'bytes') return total === undefined ? `${done} ${unit}` : `${done}/${total} ${unit}`;
  if (total === undefined) return formatBytes(done);
  const [whole, prefixed] = formatBytes(total).split(' ');
  return `${formatBytes(done, prefixed).split(' ')[0]}/${whole} ${prefixed}`;
}

/** `512 B`, `3.2 MB`, `16.40 GB`: powers of 1000, as disks and the hub count */
export function formatBytes(bytes: number, prefixed?: string): string {
  const names = ['B', 'kB', 'MB', 'GB', 'TB'];
  const own = bytes < 1 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
  const power = prefixed === undefined ? own : names.indexOf(prefixed);
  return `${(bytes / 1000 ** power).toFixed([0, 0, 1, 2, 2][power])} ${names[power]}`;
}

/** `2.3 steps/s`; below one a second the other way round, `3.2 s per step` */
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
