/** A comparison of two or more runs. */
import type { Difference } from '../../../train/run/differences.js';
import type { RunSummary } from '../../../train/run/status.js';

export interface ComparedFigure {
  figure: string;
  /** by run; null if it lacks the figure */
  values: ({ last: number; best: { value: number; step: number } | null } | null)[];
  /** for two runs, the values of both at the last step of the shorter one */
  difference: { first: number; second: number } | null;
}

export interface Comparison {
  runs: RunSummary[];
  part: string;
  /** the last step that all runs have reached */
  commonStep: number;
  recipe: Difference[];
  figures: ComparedFigure[];
}
