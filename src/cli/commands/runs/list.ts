/** The runs of a folder as a table. */
import { PROGRAM } from '../../../files/package-root.js';
import { type RunSummary, summariseRun } from '../../../train/run/status.js';
import { withOptions } from '../../terminal/fields.js';
import { formatBytes, formatDuration } from '../../terminal/progress.js';
import { aligned } from '../../terminal/table.js';
import type { FoundRuns } from './find.js';

/** Prints the runs on stdout, the newest first. */
export function listRuns({ where, folders }: FoundRuns, { json }: { json: boolean }): void {
  const nowMs = Date.now();
  const runs = folders
    .flatMap((folder) => summaryOf(folder) ?? [])
    .sort((a, b) => (b.updatedMs ?? 0) - (a.updatedMs ?? 0));
  if (json) {
    process.stdout.write(`${JSON.stringify(runs.map(asJson), null, 2)}\n`);
  } else if (runs.length === 0) {
    process.stdout.write(`${where}: no runs; \`${PROGRAM} train RECIPE\` makes one\n`);
  } else {
    const lines = aligned([HEAD, ...runs.map((run) => rowOf(run, nowMs))]);
    const messages = runs.flatMap(({ name, message }) =>
      message ? [`${name}: ${withOptions(message)}`] : [],
    );
    process.stdout.write(`${[...lines, ...messages].join('\n')}\n`);
  }
}

/** A run's summary; null if it cannot be read, which is reported on stderr. */
function summaryOf(folder: string): RunSummary | null {
  try {
    return summariseRun(folder);
  } catch (error) {
    process.stderr.write(`${folder}: cannot be read (${(error as Error).message})\n`);
    return null;
  }
}

/** A summary for JSON, with its time in ISO format. */
export const asJson = ({ updatedMs, ...run }: RunSummary) => ({
  ...run,
  updated: updatedMs === null ? null : new Date(updatedMs).toISOString(),
});

const HEAD = ['run', 'state', 'part', 'step', 'loss', 'validation', 'samples/s', 'updated', 'size'];

function rowOf(run: RunSummary, nowMs: number): string[] {
  const { name, state, step, steps, loss, validation } = run;
  const { samplesPerSecond, updatedMs, sizeBytes } = run;
  return [
    name,
    state,
    partText(run),
    step === null ? '' : steps === null ? `${step}` : `${step}/${steps}`,
    figure(loss),
    figure(validation),
    figure(samplesPerSecond),
    updatedMs === null ? '' : `${ago((nowMs - updatedMs) / 1000)} ago`,
    formatBytes(sizeBytes),
  ];
}

/** The part that is being trained, or another activity. */
export const partText = ({ part, stage, doing }: RunSummary): string =>
  doing ?? [part, stage].filter(Boolean).join(', ');

/** A figure with four significant digits, enough to tell runs apart; '' without a value. */
export function figure(value: number | null): string {
  if (value === null) return '';
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return size >= 1000 ? value.toFixed(0) : value.toPrecision(4);
}

const DAY = 24 * 3600;
const ago = (seconds: number): string =>
  seconds < 2 * DAY ? formatDuration(seconds) : `${Math.floor(seconds / DAY)} days`;
