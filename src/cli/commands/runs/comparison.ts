/** Two or more runs beside one another. */
import type { Difference } from '../../../train/run/differences.js';
import type { RunSummary } from '../../../train/run/status.js';

export interface ComparedFigure {
  figure: string;
  /** by run; null where it has none */
  values: ({ last: number; best: { value: number; step: number } | null } | null)[];
  /** the second run's less the first's at the last step of the shorter one, for two runs */
  difference: { first: number; second: number } | null;
}

export interface Comparison {
  runs: RunSummary[];
  part: string;
  /** the last one that all have reached */
  commonStep: number;
  recipe: Difference[];
  figures: ComparedFigure[];
}
