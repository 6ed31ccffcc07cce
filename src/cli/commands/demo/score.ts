/** A line on the quality of a task's results against baselines, measured on the demo's cases. */
import { findSolids, trackSolids } from '../../../data/miniworld/analyse.js';
import type { Scene } from '../../../data/miniworld/index.js';
import { countNamed, type NameCount } from '../../../eval/naming.js';
import { mean } from '../../../eval/quality.js';
import type { Frames } from '../../../media/index.js';
import type { DemoCase } from './cases.js';

type Named = Pick<NameCount, 'named' | 'colours' | 'shapes'>;

/** PSNR against the true picture, or how many of the caption's solids are found. */
export type Score =
  | { decibels: number; others: ReadonlyMap<string, number>; words?: undefined }
  | { words: Named };

/** How many of a caption's solids the analyser finds. */
export function wordsFound(scene: Scene, result: Frames): Named {
  const still = result.numFrames === 1;
  return countNamed(scene, (still ? findSolids : trackSolids)(result.data, result));
}

export const inWords = ({ named, colours, shapes }: Named): string =>
  `${colours} of ${named} colours, ${shapes} of ${named} shapes`;

/**
 * One sentence on the results of one task; '' if none has a true picture.
 *
 * @param cases, scores   the task's, in the same order
 */
export function scoreLine(cases: readonly DemoCase[], scores: readonly (Score | null)[]): string {
  const words = scores.flatMap((score) => (score?.words ? [score.words] : []));
  if (words.length > 0) return wordsLine(words, cases);
  const measured = scores.flatMap((score) => (score && !score.words ? [score] : []));
  if (measured.length === 0) return '';
  const made = mean(measured.map(({ decibels }) => decibels));
  const best = measured.map(({ others }) => [...others].sort(([, a], [, b]) => b - a)[0]!);
  const names = [...new Set(best.map(([name]) => name))].join(' or ');
  const other = mean(best.map(([, decibels]) => decibels));
  const better = measured.filter(({ decibels }, i) => decibels > best[i]![1]).length;
  const verdict = made > other ? 'Better than' : 'Not better than';
  return `${verdict} the best of what needs no model (${names}): ${made.toFixed(1)} dB against ${other.toFixed(1)} dB on average, better in ${better} of ${measured.length}.`;
}

/** One sentence on found solids. Chance level is the score of another caption's true picture. */
function wordsLine(words: readonly Named[], cases: readonly DemoCase[]): string {
  const own = cases.filter(({ scene, reference }) => scene && reference);
  const chance = own.map(({ scene }, i) =>
    wordsFound(scene!, own[(i + 1) % own.length]!.reference!),
  );
  const found = total(words);
  const other = total(chance);
  const verdict =
    found.colours + found.shapes > other.colours + other.shapes ? 'Better than' : 'Not better than';
  return `${verdict} chance: ${inWords(found)} of the captions are found; in the true picture of another caption ${other.colours} and ${other.shapes}.`;
}

const total = (all: readonly Named[]): Named => {
  const sum = (key: keyof Named) => all.reduce((before, one) => before + one[key], 0);
  return { named: sum('named'), colours: sum('colours'), shapes: sum('shapes') };
};
