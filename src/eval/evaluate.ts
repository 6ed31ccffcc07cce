/** The figures of a task: of what a pipeline makes, and beside it of what needs no model. */
import { setImmediate } from 'node:timers/promises';
import type { Frames } from '../media/index.js';
import type { Task } from '../tasks/index.js';
import { BASELINES, baselineClips, layOut } from './baselines.js';
import { FIGURES, type Figure, type FigureId, type Subject, type Tally } from './figures.js';
import { headlineOf } from './headline.js';
import { shownOf, stripOf } from './strips.js';
import type { Maker, Trial, Trials, Watch } from './trials.js';

/** A mean, and what it is of: trials, or solids that captions name. */
export interface Value {
  value: number;
  count: number;
}

/** By contestant: `made`, the baselines by name, `truth`. */
export type Values = Record<string, Value>;

export interface Compared {
  name: string;
  value: number;
  /** trials in which it applies, and what was made in the same ones */
  count: number;
  made: number;
  /** of those, trials in which what was made is better */
  won: number;
}

export interface TaskReport {
  task: string;
  summary: string;
  trials: number;
  seconds: number;
  /** null where the result cannot be judged: a prompt alone, outside of MiniWorld */
  headline: {
    figure: FigureId;
    made: number;
    /** the hardest to beat, and the input as it is; null where there is none */
    baseline: Compared | null;
    input: Compared | null;
    truth: number | null;
    /** above every baseline, each in the trials in which it applies; null without a baseline */
    beats: boolean | null;
  } | null;
  figures: { figure: FigureId; values: Values }[];
  /** the headline figure, trial by trial */
  each: { name: string; prompt: string; values: Record<string, number> }[];
  /** of the first trials */
  pictures: { name: string; prompt: string; shown: { label: string; file: string }[] }[];
}

/** A report whose pictures are not in files yet; by the names that the report gives them. */
export interface Evaluated {
  report: TaskReport;
  strips: Map<string, Frames>;
}

export interface EvaluateOptions extends Watch {
  /** trials made at once */
  batchSize: number;
  /** measure what needs no model too; default: true */
  baselines?: boolean;
  /** after every part of the work: trials done, with the part of those in work */
  onDone?: (done: number) => void;
}

/** What is made; the others are named by their baseline. */
export const MADE = 'made';
export const TRUTH = 'truth';
const ANOTHER = 'another caption';

const SHOWN_TRIALS = 6;

/** @throws the signal's reason when it aborts */
export async function evaluateTask(
  maker: Maker,
  task: Task,
  trials: Trials,
  { batchSize, baselines = true, onDone, signal }: EvaluateOptions,
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
      const subject = { task, trial, laid: layOut(trial.given, trial.truth) };
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
      await setImmediate(); // where a Ctrl-C arrives
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
 * Decibels are pooled as the errors that they stand for: the mean of decibels themselves would be
 * that of the few clips in which nothing moves, of which a copy is right to the last bit.
 */
const toPool = ({ sum, count }: Tally, unit: Figure['unit']): number =>
  unit === 'dB' ? count * 10 ** (-sum / count / 10) : sum;
const fromPool = ({ sum, count }: Tally, unit: Figure['unit']): number =>
  unit === 'dB' ? -10 * Math.log10(sum / count) : sum / count;

/** One figure of one trial, by contestant. */
type Scores = Record<string, Tally>;

/** Sums by figure and contestant. */
class Tallies {
  private readonly sums = new Map<FigureId, Map<string, Tally>>();

  /** Adds all figures of the clips of one trial; → those of one figure, by contestant. */
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
  // the hardest to beat first
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

/** All that is measured of a task, in the order of columns: what was made first, true clips last. */
export function contestants({ figures }: Pick<TaskReport, 'figures'>): string[] {
  const names = new Set(figures.flatMap(({ values }) => Object.keys(values)));
  const last = names.delete(TRUTH) ? [TRUTH] : [];
  return [...names, ...last];
}

/** All that may be shown of a trial, small. */
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
      const file = `pictures/${id}-${i + 1}-${label.replaceAll(' ', '-')}.png`;
      files.set(file, strip);
      return [{ label, file }];
    }),
  }));
  return { pictures, strips: files };
}
