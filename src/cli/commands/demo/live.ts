/** Two minutes of training from scratch, and its curves. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { fromRoot } from '../../../files/package-root.js';
import { TASKS } from '../../../tasks/index.js';
import type { Reporter } from '../../../train/loop/reporter.js';
import { readRecipe } from '../../../train/recipe/read-recipe.js';
import { kindOf } from '../../../train/run/metrics.js';
import { Run } from '../../../train/run/run.js';
import { trainParts } from '../../../train/train-parts.js';
import type { NamedCurve } from '../../charts/chart.js';

const recipePath = fromRoot('recipes/demo.yaml');

/** A part of the training and its curves. */
export interface LivePart {
  part: string;
  seconds: number;
  steps: number;
  /** training losses and other figures by name, over steps */
  curves: NamedCurve[];
  /** files in the run's samples/ */
  sheets: string[];
}

export interface LiveTraining {
  seconds: number;
  /** number of tasks that are trained */
  tasks: number;
  parts: LivePart[];
}

/** Trains recipes/demo.yaml in `folder`, always from scratch. @returns null if the signal stopped it */
export async function liveTraining(
  folder: string,
  report: Reporter,
  signal: AbortSignal,
  device: string,
): Promise<LiveTraining | null> {
  const startMs = performance.now();
  rmSync(folder, { recursive: true, force: true });
  const recipe = readRecipe(recipePath);
  const run = Run.open(folder, recipe);
  if (!(await trainParts({ run, recipe, report, signal, device }))) return null;
  const lines = readMetrics(run.path('metrics.jsonl'));
  const sheets = readdirSync(run.path('samples')).sort();
  const parts = ['autoencoder', 'transformer'].map((part): LivePart => {
    const own = lines.filter((line) => line.part === part);
    const steps = Math.max(0, ...own.map(({ step }) => step));
    return {
      part,
      steps,
      curves: curvesOf(own),
      seconds: own.reduce((latest, line) => Math.max(latest, Number(line.seconds ?? 0)), 0),
      sheets: sheets.filter((name) => name.startsWith(part)),
    };
  });
  const tasks = Object.keys(recipe.transformer?.tasks ?? TASKS).length;
  return { seconds: (performance.now() - startMs) / 1000, tasks, parts };
}

type Line = { part: string; step: number } & Record<string, number | string>;

function readMetrics(path: string): Line[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Line);
}

/** Shows losses and quality, but not losses by noise level, which are too many. */
const isShown = (name: string): boolean =>
  (kindOf(name) === 'loss' || kindOf(name) === 'quality') && !name.startsWith('loss/sigma');

function curvesOf(lines: readonly Line[]): NamedCurve[] {
  // lines about samples have no learning rate; the samples are shown as sheets
  const training = lines.filter((line) => typeof line.learningRate === 'number');
  const names = new Set(
    training.flatMap((line) =>
      Object.keys(line).filter((key) => typeof line[key] === 'number' && key !== 'step'),
    ),
  );
  return [...names].filter(isShown).map((name) => ({
    name,
    points: training.flatMap((line) =>
      typeof line[name] === 'number' ? [[line.step, line[name]] as const] : [],
    ),
  }));
}
