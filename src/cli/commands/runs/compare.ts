/** Compares runs: the differences of their recipes, their figures, and a plot. */
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../../../errors.js';
import { didYouMean } from '../../../suggest.js';
import { differences } from '../../../train/run/differences.js';
import {
  type FigureKind,
  kindOf,
  lastOf,
  type PartMetrics,
  type Point,
  readMetrics,
} from '../../../train/run/metrics.js';
import { type RunSummary, readRecipeOf, summariseRun } from '../../../train/run/status.js';
import type { ComparedFigure, Comparison } from './comparison.js';
import { asJson } from './list.js';
import type { RunsOptions } from './options.js';

/** Prints the comparison and writes the plot. @throws InputError for runs that cannot be compared */
export async function compareRuns(
  folders: readonly string[],
  { plot, by, part: wanted, figures: patterns, smooth, scale, json }: RunsOptions,
): Promise<void> {
  const { expectPlotFile, plotForPage, writePicture } = await import('./plot.js');
  const { comparisonLines, renderComparison } = await import('./show.js');
  const path = plot ?? join(dirname(folders[0]!), folderFor(folders), 'report.html');
  expectPlotFile(path);
  const recipes = folders.map(readRecipeOf);
  const metrics = folders.map((folder) => readMetrics(folder));
  const runs = folders.map((folder, i) => summariseRun(folder, { metrics: metrics[i]! }));
  expectFigures(runs, metrics);
  const recorded = folders.filter((_, i) => metrics[i]!.length > 0);
  const part = commonPart(
    recorded,
    metrics.filter((parts) => parts.length > 0),
    wanted,
  );
  // a run without recorded figures is shown by its state only
  const own = metrics.map((parts) => parts.find((one) => one.part === part) ?? null);
  const measured = own.filter((one) => one !== null);
  const figures = chosenFigures(measured, patterns);
  const comparison: Comparison = {
    runs: namedApart(runs),
    part,
    commonStep: Math.min(...measured.map(({ step }) => step)),
    recipe: differences(recipes),
    figures: figures.map((figure) => comparedFigure(figure, own)),
  };
  const plotted = own.flatMap((one, i) =>
    one ? [{ name: comparison.runs[i]!.name, figures: one.figures }] : [],
  );
  const options = { by, smoothing: smooth, log: scale === 'log' };
  if (/\.png$/i.test(path)) await writePicture(path, plotted, figures, options);
  else await writePage(path, renderComparison(comparison, plotForPage(plotted, figures, options)));
  if (json) {
    const { runs, ...rest } = comparison;
    const all = { runs: runs.map(asJson), ...rest, plot: path };
    process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
  } else {
    process.stdout.write(`${[...comparisonLines(comparison), '', path].join('\n')}\n`);
  }
}

/** Longest name of a comparison's folder, in letters; file systems allow 255 bytes. */
const MOST_LETTERS = 60;

/** The name of a comparison's folder, beside the first run's: `compare-A-B`. */
function folderFor(folders: readonly string[]): string {
  const [first, ...others] = folders.map((folder) => basename(resolve(folder)));
  const name = ['compare', first, ...others].join('-');
  if (name.length <= MOST_LETTERS) return name;
  return `compare-${first!.slice(0, MOST_LETTERS)}-and-${others.length}-more`;
}

/** If runs have the same name, names all of them by their folders. */
function namedApart(runs: RunSummary[]): RunSummary[] {
  const names = runs.map(({ name }) => name);
  const alike = new Set(names).size < names.length;
  return alike ? runs.map((run) => ({ ...run, name: run.folder })) : runs;
}

/** @throws InputError if too few runs have recorded figures to plot or compare them */
function expectFigures(runs: readonly RunSummary[], metrics: readonly PartMetrics[][]): void {
  const empty = runs.filter((_, i) => metrics[i]!.length === 0);
  if (empty.length === 0 || runs.length - empty.length > 1) return;
  const { folder, state, message } = empty[0]!;
  const mayCome = state === 'running' || state === 'unknown';
  const what = mayCome
    ? 'has recorded nothing yet (metrics.jsonl); wait, or leave it out'
    : `has recorded nothing (metrics.jsonl) and is ${state}${message ? ` (${message})` : ''}; leave it out`;
  throw new InputError(`${folder}: ${what}`);
}

function commonPart(
  folders: readonly string[],
  metrics: readonly PartMetrics[][],
  wanted: string | undefined,
): string {
  const common = metrics[0]!
    .map(({ part }) => part)
    .filter((part) => metrics.every((parts) => parts.some((one) => one.part === part)));
  if (wanted === undefined) {
    const last = common.at(-1);
    if (last !== undefined) return last;
    throw new InputError(`${folders.join(', ')}: have no part of the training in common`);
  }
  if (common.includes(wanted)) return wanted;
  const known = common.join(', ') || 'none';
  throw new InputError(`--part: must be one that all have (${known}), got "${wanted}"`);
}

/** Figures that match by name or its last part (`t2v` for `loss/t2v`), ordered by kind; without patterns, all that are not always 0. */
function chosenFigures(own: readonly PartMetrics[], patterns: string | undefined): string[] {
  const all = [...new Set(own.flatMap(({ figures }) => [...figures.keys()]))].sort(
    (a, b) => KIND_ORDER.indexOf(kindOf(a)) - KIND_ORDER.indexOf(kindOf(b)),
  );
  if (patterns === undefined) {
    return all.filter((figure) =>
      own.some(({ figures }) => figures.get(figure)?.some(({ value }) => value !== 0)),
    );
  }
  const chosen = patterns.split(',').flatMap((pattern) => {
    const words = pattern
      .trim()
      .split('*')
      .map((word) => word.replace(/[^\w]/g, '\\$&'));
    const matching = new RegExp(`^(.*/)?${words.join('.*')}$`, 'i');
    const matches = all.filter((figure) => matching.test(figure));
    if (matches.length > 0) return matches;
    const lastParts = all.map((figure) => figure.split('/').at(-1)!);
    const hint =
      didYouMean(pattern, [...new Set([...all, ...lastParts])]) || `; there are ${all.join(', ')}`;
    throw new InputError(`--figures: no figure "${pattern}" in these runs${hint}`);
  });
  return all.filter((figure) => chosen.includes(figure));
}

const KIND_ORDER: readonly FigureKind[] = ['loss', 'validation', 'quality', 'state'];

function comparedFigure(figure: string, own: readonly (PartMetrics | null)[]): ComparedFigure {
  const series = own.map((one) => one?.figures.get(figure) ?? null);
  const step = Math.min(...series.map((points) => points?.at(-1)?.step ?? 0));
  const [first, second] = series.map((points) =>
    lastOf(
      figure,
      points?.filter((point) => point.step <= step),
    ),
  );
  return {
    figure,
    values: series.map(
      (points) => points && { last: lastOf(figure, points)!, best: bestOf(figure, points) },
    ),
    difference: own.length === 2 && first != null && second != null ? { first, second } : null,
  };
}

/** The best value, for validation and quality only: the lowest of a noisy loss means nothing. */
function bestOf(figure: string, points: readonly Point[]): { value: number; step: number } | null {
  const kind = kindOf(figure);
  if (kind !== 'validation' && kind !== 'quality') return null;
  const sign = kind === 'quality' ? -1 : 1;
  const known = points.filter(({ value }) => Number.isFinite(value));
  if (known.length === 0) return null;
  const { value, step } = known.reduce((best, point) =>
    sign * point.value < sign * best.value ? point : best,
  );
  return { value, step };
}

async function writePage(path: string, page: string): Promise<void> {
  const { writeAtomically } = await import('../../../files/atomic.js');
  const { writeFile } = await import('node:fs/promises');
  await writeAtomically(path, (temporary) => writeFile(temporary, page));
}
