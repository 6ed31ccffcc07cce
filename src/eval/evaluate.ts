/** Computes the figures of a task, for a pipeline's results and for the baselines. */
import { setImmediate } from 'node:timers/promises';
import type { Frames } from '../media/index.js';
import type { EfficientNetFeatures } from '../models/efficientnet/index.js';
import type { DepthEstimator, Task } from '../tasks/index.js';
import { BASELINES, baselineClips, layOut } from './baselines.js';
import { type FigureId, figureOf, type Subject } from './figures.js';
import { headlineOf } from './headline.js';
import { looksOf } from './metrics/feature-distance.js';
import { inFileName } from './mixtures.js';
import { shownOf, stripOf } from './strips.js';
import { Sets, withSets } from './summary/sets.js';
import { type Column, compare, summary, Tallies } from './summary/tallies.js';
import { type FewerSteps, MADE, type TaskReport, TRUTH } from './summary/types.js';
import type { Maker, Trial, Trials, Watch } from './trials.js';

export {
  type Compared,
  type FewerSteps,
  MADE,
  type TaskReport,
  TRUTH,
  type Value,
  type Values,
} from './summary/types.js';

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
  /** for distances in its features; default: none */
  network?: EfficientNetFeatures | null;
  /** number of results per trial, from different seeds; the first one is measured; default: 1 */
  repeats?: number;
  /** results with fewer sampling steps, to be compared with the others; default: none */
  fewerSteps?: readonly StepCount[];
  /** progress: the number of trials done, including fractions of those in progress */
  onDone?: (done: number) => void;
}

/** Makes results with fewer sampling steps. */
export interface StepCount {
  steps: number;
  maker: Maker;
  /** their number as a share of the most */
  share: number;
}

const ANOTHER = 'another caption';

/** A contestant's name: `4 steps`. */
const stepsName = (steps: number): string => (steps === 1 ? '1 step' : `${steps} steps`);

const SHOWN_TRIALS = 6;

/** @throws the signal's reason when it aborts */
export async function evaluateTask(
  maker: Maker,
  task: Task,
  trials: Trials,
  options: EvaluateOptions,
): Promise<Evaluated> {
  const { baselines = true, fewerSteps = [], repeats = 1, estimateDepth, network = null } = options;
  const start = performance.now();
  const tallies = new Tallies();
  const sets = new Sets();
  const each: Pick<Trial, 'name' | 'prompt'>[] = [];
  const shown: { trial: Trial; strips: Map<string, Frames> }[] = [];
  let figure: FigureId | null = null;
  for await (const { trial, index, made, again, fewer } of results(maker, task, trials, options)) {
    const laid = layOut(trial.given, trial.truth);
    const subject: Subject = { task, trial, laid, estimateDepth, network };
    const headline = headlineOf(subject);
    figure ??= headline.figure;
    const clips = new Map([[MADE, made], ...fewer, ...(baselines ? baselineClips(laid) : [])]);
    const chance = baselines && headline.figure === 'attributes' && trial.scene;
    if (chance && trials.count > 1) {
      clips.set(ANOTHER, (await trials.at((index + 1) % trials.count)).truth);
    }
    clips.set(TRUTH, trial.truth);
    if (repeats > 1) subject.repeats = [made, ...again];
    if (fewer.size > 0) subject.fewerSteps = { clips: new Set(fewer.values()), most: made };
    if (network) {
      // other trials' clips are among the true ones, so as a set they are not another one
      const compared = new Map([...clips].filter(([name]) => name !== ANOTHER));
      const looks = looksOf(network, compared, trial.truth);
      sets.add(looks);
      subject.looks = new Map([...compared].map(([name, clip]) => [clip, looks.get(name)!]));
    }
    tallies.add(clips, subject);
    each.push({ name: trial.name, prompt: trial.prompt });
    if (shown.length < SHOWN_TRIALS) shown.push({ trial, strips: stripsOf(subject, clips) });
  }
  const columns = figure ? tallies.of(figure) : new Map<string, Column>();
  const stepNames = fewerSteps.map(({ steps }) => stepsName(steps));
  const headline = figure && headlineFrom(figure, columns, new Set([MADE, TRUTH, ...stepNames]));
  const labels = ['given', headline?.baseline?.name ?? null, ...stepNames, MADE, TRUTH];
  const { pictures, strips } = picturesOf(task, shown, labels);
  const valuesAt = (i: number) =>
    [...columns].flatMap(([name, column]): [string, number][] => {
      const tally = column[i];
      return tally ? [[name, tally.sum / tally.count]] : [];
    });
  return {
    report: {
      task: task.id,
      summary: task.summary,
      trials: trials.count,
      seconds: (performance.now() - start) / 1000,
      headline,
      seen: seenFrom(tallies.of('featureDistance'), headline?.baseline?.name),
      figures: withSets(tallies.figures(), sets),
      fewerSteps: fewerStepsFrom(fewerSteps, figure, tallies),
      each: each.map((one, i) => ({ ...one, values: Object.fromEntries(valuesAt(i)) })),
      pictures,
    },
    strips,
  };
}

interface Result {
  trial: Trial;
  index: number;
  made: Frames;
  /** from other seeds */
  again: Frames[];
  /** with fewer steps, by the contestants' names */
  fewer: Map<string, Frames>;
}

/** The results of all trials, made in batches of clips of one size. */
async function* results(
  maker: Maker,
  task: Task,
  trials: Trials,
  { batchSize, fewerSteps = [], repeats = 1, onDone, signal }: EvaluateOptions,
): AsyncGenerator<Result> {
  const allSteps = fewerSteps.reduce((sum, { share }) => sum + share, repeats);
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
    let before = 0;
    const make = async (by: Maker, share: number, seed: number) => {
      const onShare = (part: number) =>
        onDone?.(first + (0.95 * (before + share * part) * batch.length) / allSteps);
      const made = await by.make(task, batch, first + seed * trials.count, { onShare, signal });
      before += share;
      return made;
    };
    const made = await make(maker, 1, 0);
    const again: Frames[][] = [];
    for (let seed = 1; seed < repeats; seed++) again.push(await make(maker, 1, seed));
    const fewer: [string, Frames[]][] = [];
    for (const { steps, maker: own, share } of fewerSteps) {
      fewer.push([stepsName(steps), await make(own, share, 0)]);
    }
    for (const [i, trial] of batch.entries()) {
      signal?.throwIfAborted();
      yield {
        trial,
        index: first + i,
        made: made[i]!,
        again: again.map((clips) => clips[i]!),
        fewer: new Map(fewer.map(([name, clips]) => [name, clips[i]!])),
      };
      await setImmediate(); // let Ctrl-C be handled
    }
    first += batch.length;
    onDone?.(first);
  }
}

const sameSize = (a: Frames, b: Frames): boolean =>
  a.width === b.width && a.height === b.height && a.numFrames === b.numFrames;

function headlineFrom(
  figure: FigureId,
  columns: ReadonlyMap<string, Column>,
  notCompared: ReadonlySet<string>,
): TaskReport['headline'] {
  const own = columns.get(MADE);
  if (!own) return null;
  const { unit } = figureOf(figure);
  const compared = [...columns].flatMap(([name, column]) => {
    const one = notCompared.has(name) ? null : compare(name, own, column, unit);
    return one ? [one] : [];
  });
  // the hardest baseline first
  compared.sort((a, b) => a.made - a.value - (b.made - b.value));
  const copies = new Set(BASELINES.flatMap((one) => (one.copiesInput ? [one.name] : [])));
  const [made, truth] = [summary(own, unit), columns.get(TRUTH)];
  return {
    figure,
    made: made.value,
    error: made.error,
    truth: truth ? summary(truth, unit).value : null,
    baseline: compared[0] ?? null,
    input: compared.find(({ name }) => copies.has(name)) ?? null,
    beats: compared.length > 0 ? compared.every((one) => one.made > one.value) : null,
  };
}

function seenFrom(
  columns: ReadonlyMap<string, Column>,
  baseline: string | undefined,
): TaskReport['seen'] {
  const [own, other] = [columns.get(MADE), baseline && columns.get(baseline)];
  return baseline && own && other ? compare(baseline, own, other, '', 'lower') : null;
}

function fewerStepsFrom(
  fewer: readonly StepCount[],
  figure: FigureId | null,
  tallies: Tallies,
): FewerSteps[] {
  const columns = figure && tallies.of(figure);
  const most = columns?.get(MADE);
  return fewer.map(({ steps }): FewerSteps => {
    const name = stepsName(steps);
    const own = columns?.get(name);
    const lost = figure && own && most ? compare(name, most, own, figureOf(figure).unit) : null;
    return {
      steps,
      figure: figure && own ? summary(own, figureOf(figure).unit) : null,
      lost: lost && { value: lost.made - lost.value, error: lost.error },
      alike: summary(tallies.of('alike').get(name)!, 'dB'),
    };
  });
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
  labels: readonly (string | null)[],
): { pictures: TaskReport['pictures']; strips: Map<string, Frames> } {
  const files = new Map<string, Frames>();
  const pictures = shown.map(({ trial: { name, prompt }, strips }, i) => ({
    name,
    prompt,
    shown: labels.flatMap((label) => {
      const strip = label !== null && strips.get(label);
      if (!strip) return [];
      const file = `pictures/${inFileName(id)}-${i + 1}-${label.replaceAll(' ', '-')}.png`;
      files.set(file, strip);
      return [{ label, file }];
    }),
  }));
  return { pictures, strips: files };
}
