/**
 * The results folder of an evaluation: a file per task, reused by later runs, the report as a whole, and
 * a page.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readJsonObject } from '../files/read-json.js';
import { writeAtomically, writeImage } from '../media/index.js';
import type { Task } from '../tasks/index.js';
import { type EvaluateOptions, evaluateTask, type TaskReport } from './evaluate.js';
import { FIGURES } from './figures.js';
import { HEADLINES } from './headline.js';
import { inFileName } from './mixtures.js';
import { renderPage } from './page.js';
import type { Report, ReportSettings } from './report-format.js';
import type { Maker, Trials } from './trials.js';

/** A task and its trials. */
export interface Part {
  task: Task;
  trials: Trials;
}

export interface RunOptions extends Omit<EvaluateOptions, 'onDone' | 'baselines' | 'repeats'> {
  folder: string;
  settings: ReportSettings;
  /** progress: the number of this task's trials done, including fractions of those in progress */
  onDone?: (task: Task, done: number) => void;
}

/**
 * The figures of a task: those of an earlier run if they
 * exist, otherwise computed and written to the folder.
 */
export async function runTask(
  maker: Maker,
  { task, trials }: Part,
  { folder, settings, onDone, ...options }: RunOptions,
): Promise<TaskReport> {
  const stored = storedTask(folder, task, trials.count, settings);
  if (stored) return stored;
  const { report, strips } = await evaluateTask(maker, task, trials, {
    ...options,
    baselines: settings.baselines,
    repeats: settings.repeats,
    onDone: (done) => onDone?.(task, done),
  });
  for (const [file, strip] of strips) await writeImage(join(folder, file), strip);
  await keep(folder, task.id, settings, report);
  return report;
}

/** The figures from an earlier run with the same settings; null if there are none. */
export function storedTask(
  folder: string,
  { id }: Task,
  count: number,
  settings: ReportSettings,
): TaskReport | null {
  const report = kept<TaskReport>(folder, id, settings);
  const files = report?.pictures.flatMap(({ shown }) => shown.map(({ file }) => file));
  const whole = report?.trials === count && files?.every((file) => existsSync(join(folder, file)));
  return whole ? report : null;
}

/** The part that `keep` stored under this name with the same settings; null if there is none. */
export function kept<T>(folder: string, name: string, settings: ReportSettings): T | null {
  const path = partFile(folder, name);
  if (!existsSync(path)) return null;
  const stored = readJsonObject(path);
  return JSON.stringify(stored.settings) === JSON.stringify(settings) ? (stored.report as T) : null;
}

/** The settings of the report in a folder; null if there is none. */
export function reportSettings(folder: string): unknown {
  const path = join(folder, 'report.json');
  return existsSync(path) ? readJsonObject(path).settings : null;
}

/** Stores a part of a report, so that a later run with the same settings can reuse it. */
export const keep = <T>(
  folder: string,
  name: string,
  settings: ReportSettings,
  report: T,
): Promise<void> => writeJson(partFile(folder, name), { settings, report });

const partFile = (folder: string, name: string): string =>
  join(folder, 'tasks', `${inFileName(name)}.json`);

/** Writes report.json and report.html. */
export async function writeReport(
  folder: string,
  report: Omit<Report, 'format' | 'definitions'>,
): Promise<Report> {
  const figures = FIGURES.map(({ of, ...figure }) => figure);
  const headlines = HEADLINES.map(({ holds, ...headline }) => headline);
  const { settings, versions, machine, notes, ...rest } = report;
  const whole: Report = {
    format: 'mfm-eval/1',
    settings,
    versions,
    machine,
    notes,
    definitions: { figures, headlines },
    ...rest,
  };
  await writeJson(join(folder, 'report.json'), whole);
  await writeText(join(folder, 'report.html'), renderPage(whole));
  return whole;
}

const writeJson = (path: string, value: unknown): Promise<void> =>
  writeText(path, `${JSON.stringify(value, null, 2)}\n`);

const writeText = (path: string, text: string): Promise<void> =>
  writeAtomically(path, (temporary) => writeFile(temporary, text));
