/** Computes the figures of a task, for a pipeline's results and for the baselines. */
import { setImmediate } from 'node:timers/promises';
import type { Frames } from '../media/index.js';
import type { DepthEstimator, Task } from '../tasks/index.js';
import { BASELINES, baselineClips, layOut } from './baselines.js';
import { FIGURES, type Figure, type FigureId, type Subject, type Tally } from './figures.js';
import { headlineOf } from './headline.js';
import { inFileName } from './mixtures.js';
import { shownOf, stripOf } from './strips.js';
import type { Maker, Trial, Trials, Watch } from './trials.js';

/** A mean, and the number of values behind it: trials, or solids named in captions. */
export interface Value {
  value: number;
  count: number;
}

/** Values by contestant: `made`, the baselines by name, `truth`. */
export type Values = Record<string, Value>;

export interface Compared {
  name: string;
  value: number;
  /** number of trials in which it applies, and the mean of the pipeline's results in the same trials */
  count: number;
  made: number;
  /** in how many of those trials the pipeline's result is better */
  won: number;
}

export interface TaskReport {
  task: string;
  summary: string;
  trials: number;
  seconds: number;
  /** null if the result cannot be judged: a prompt alone, outside of MiniWorld */
  headline: {
    figure: FigureId;
    made: number;
    /** the hardest baseline, and the unchanged input; null if there is none */
    baseline: Compared | null;
    input: Compared | null;
    truth: number | null;
    /**
     * whether the result is above every baseline, each in the
     * trials in which it applies; null without any
     */
    beats: boolean | null;
  } | null;
  figures: { figure: FigureId; values: Values }[];
  /** the headline figure, trial by trial */
  each: { name: string; prompt: string; values: Record<string, number> }[];
  /** pictures of the first trials */
  pictures: { name: string; prompt: string; shown: { label: string; file: string }[] }[];
}

/**
 * A report whose pictures have not been written yet; `strips`
 * has them by the file names in the report.
 */
export interface Evaluated {
  report: TaskReport;
  strips: Map<string, Frames>;
}

export interface EvaluateOptions extends Watch {
  /** number of trials per batch */
  batchSize: number;
  /** measure the baselines too; default: true */
  baselines?: boolean;
  /** for the depth of results where depth is given; default: none */
  estimateDepth?: DepthEstimator | null;
  /** progress: the number of trials done, including fractions of those in progress */
  onDone?: (done: number) => void;
}

/**
 * Names of contestants: the pipeline's results and the true
 * clips; the others have their baseline's name.
 */
export const MADE = 'made';
export const TRUTH = 'truth';
const ANOTHER = 'another caption';

const SHOWN_TRIALS = 6;

/** @throws the signal's reason when it aborts */
export async function evaluateTask(
  maker: Maker,
  task: Task,
  trials: Trials,
  { batchSize, baselines = true, estimateDepth, onDone, signal }: EvaluateOptions,
): Promise<Evaluated> {
  const start = performance.now();
  const tallies = new Tallies();
  const scored: Scores[] = [];
  const each: TaskReport['each'] = [];
  const shown: { trial: Trial; strips: Map<string, Frames> }[] = [];
  let figure: FigureId | null = null;
  let next: Trial | null = null;
  for (let first = 0; first < trials.count; ) {
    const batch: Trial[] = [];
    while (batch.length < batchSize && first + batch.length < trials.count) {
      const trial: Trial = next ?? (await trials.at(first + batch.length));
      next = null;
      if (batch[0] && !sameSize(batch[0].truth, trial.truth)) {
        next = trial; // begins the next batch
        break;
      }
      batch.push(trial);
    }
    const onShare = (share: number) => onDone?.(first + 0.95 * share * batch.length);
    const made = await maker.make(task, batch, first, { onShare, signal });
    for (const [i, trial] of batch.entries()) {
      signal?.throwIfAborted();
      const laid = layOut(trial.given, trial.truth);
      const subject = { task, trial, laid, estimateDepth };
      const beside = baselines ? baselineClips(subject.laid) : [];
      const clips = new Map([[MADE, made[i]!], ...beside]);
      const headline = headlineOf(subject);
      figure ??= headline.figure;
      const chance = baselines && headline.figure === 'attributes' && trial.scene;
      if (chance && trials.count > 1) {
        clips.set(ANOTHER, (await trials.at((first + i + 1) % trials.count)).truth);
      }
      clips.set(TRUTH, trial.truth);
      const scores = tallies.add(clips, subject, figure);
      scored.push(scores);
      const values = Object.entries(scores).map(([name, { sum, count }]) => [name, sum / count]);
      each.push({
        name: trial.name,
        prompt: trial.prompt,
        values: Object.fromEntries(values),
      });
      if (shown.length < SHOWN_TRIALS) shown.push({ trial, strips: stripsOf(subject, clips) });
      await setImmediate(); // let Ctrl-C be handled
    }
    first += batch.length;
    onDone?.(first);
  }
  const figures = tallies.figures();
  const headline = figure && headlineFrom(figure, figures, scored);
  const { pictures, strips } = picturesOf(task, shown, headline?.baseline?.name ?? null);
  return {
    report: {
      task: task.id,
      summary: task.summary,
      trials: trials.count,
      seconds: (performance.now() - start) / 1000,
      headline,
      figures,
      each,
      pictures,
    },
    strips,
  };
}

const sameSize = (a: Frames, b: Frames): boolean =>
  a.width === b.width && a.height === b.height && a.numFrames === b.numFrames;

const unitOf = (figure: FigureId) => FIGURES.find(({ id }) => id === figure)!.unit;

/**
 * Decibels are averaged as the errors that they stand for: a mean of the decibels themselves would be
 * dominated by the few clips in which nothing moves, for which a copy is exact.
 */
const toPool = ({ sum, count }: Tally, unit: Figure['unit']): number =>
  unit === 'dB' ? count * 10 ** (-sum / count / 10) : sum;
const fromPool = ({ sum, count }: Tally, unit: Figure['unit']): number =>
  unit === 'dB' ? -10 * Math.log10(sum / count) : sum / count;

/** One figure in one trial, by contestant. */
type Scores = Record<string, Tally>;

/** Sums by figure and contestant. */
class Tallies {
  private readonly sums = new Map<FigureId, Map<string, Tally>>();

  /**
   * Adds all figures of the clips of one trial, and returns
   * those of the `wanted` figure, by contestant.
   */
  add(clips: ReadonlyMap<string, Frames>, subject: Subject, wanted: FigureId): Scores {
    const scores: Scores = {};
    for (const { id, of, unit } of FIGURES) {
      const byName = this.sums.get(id) ?? new Map<string, Tally>();
      this.sums.set(id, byName);
      for (const [name, clip] of clips) {
        const tally = of(clip, subject);
        if (!tally) continue;
        const before = byName.get(name) ?? { sum: 0, count: 0 };
        const sum = before.sum + toPool(tally, unit);
        byName.set(name, { sum, count: before.count + tally.count });
        if (id === wanted) scores[name] = tally;
      }
    }
    return scores;
  }

  figures(): TaskReport['figures'] {
    return [...this.sums].flatMap(([figure, byName]) => {
      const entries = [...byName].map(([name, { sum, count }]): [string, Value] => [
        name,
        { value: fromPool({ sum, count }, unitOf(figure)), count },
      ]);
      return entries.length > 0 ? [{ figure, values: Object.fromEntries(entries) }] : [];
    });
  }
}

function headlineFrom(
  figure: FigureId,
  figures: TaskReport['figures'],
  scored: readonly Scores[],
): TaskReport['headline'] {
  const values = figures.find((entry) => entry.figure === figure)?.values;
  const made = values?.[MADE];
  if (!values || !made) return null;
  const names = Object.keys(values).filter((name) => name !== MADE && name !== TRUTH);
  const compared = names.map((name): Compared => {
    const both = scored.filter((scores) => name in scores);
    const meanOf = (of: string) => {
      const pool = { sum: 0, count: 0 };
      for (const scores of both) {
        pool.sum += toPool(scores[of]!, unitOf(figure));
        pool.count += scores[of]!.count;
      }
      return fromPool(pool, unitOf(figure));
    };
    const of = (scores: Scores, one: string) => scores[one]!.sum / scores[one]!.count;
    const won = both.filter((scores) => of(scores, MADE) > of(scores, name)).length;
    return { name, value: meanOf(name), count: both.length, made: meanOf(MADE), won };
  });
  // the hardest baseline first
  compared.sort((a, b) => a.made - a.value - (b.made - b.value));
  const copies = new Set(BASELINES.flatMap((one) => (one.copiesInput ? [one.name] : [])));
  return {
    figure,
    made: made.value,
    truth: values[TRUTH]?.value ?? null,
    baseline: compared[0] ?? null,
    input: compared.find(({ name }) => copies.has(name)) ?? null,
    beats: compared.length > 0 ? compared.every((one) => one.made > one.value) : null,
  };
}

/** The contestants of a task, in the order of columns: the pipeline's results first, true clips last. */
export function contestants({ figures }: Pick<TaskReport, 'figures'>): string[] {
  const names = new Set(figures.flatMap(({ values }) => Object.keys(values)));
  const last = names.delete(TRUTH) ? [TRUTH] : [];
  return [...names, ...last];
}

/** Strips of everything that the report may show of a trial. */
function stripsOf(subject: Subject, clips: ReadonlyMap<string, Frames>): Map<string, Frames> {
  const given = shownOf(subject);
  return new Map(
    [...(given ? [['given', given] as const] : []), ...clips].map(([name, clip]) => [
      name,
      stripOf(clip),
    ]),
  );
}

function picturesOf(
  { id }: Task,
  shown: readonly { trial: Trial; strips: Map<string, Frames> }[],
  baseline: string | null,
): { pictures: TaskReport['pictures']; strips: Map<string, Frames> } {
  const files = new Map<string, Frames>();
  const pictures = shown.map(({ trial: { name, prompt }, strips }, i) => ({
    name,
    prompt,
    shown: ['given', baseline, MADE, TRUTH].flatMap((label) => {
      const strip = label !== null && strips.get(label);
      if (!strip) return [];
      const file = `pictures/${inFileName(id)}-${i + 1}-${label.replaceAll(' ', '-')}.png`;
      files.set(file, strip);
      return [{ label, file }];
    }),
  }));
  return { pictures, strips: files };
}
