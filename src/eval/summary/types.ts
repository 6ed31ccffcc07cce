/** The figures of a task as a report holds them. */
import type { FigureId } from '../figures.js';

/**
 * Names of contestants: the pipeline's results and the true clips; results with fewer steps are named
 * by their number, and the others have their baseline's name.
 */
export const MADE = 'made';
export const TRUTH = 'truth';

/** A mean, and the number of values behind it: trials, or solids named in captions. */
export interface Value {
  value: number;
  count: number;
  /** standard error of the value, over trials; null for a single trial */
  error: number | null;
}

/** Values by contestant: `made`, results with fewer steps, the baselines by name, `truth`. */
export type Values = Record<string, Value>;

export interface Compared {
  name: string;
  value: number;
  /** number of trials in which it applies, and the mean of the pipeline's results in the same trials */
  count: number;
  made: number;
  /** standard error of made - value, trial by trial; null for a single trial */
  error: number | null;
  /** in how many of those trials the pipeline's result is better */
  won: number;
}

/** Results with fewer sampling steps, beside those with the most. */
export interface FewerSteps {
  steps: number;
  /** the deciding figure; null if the task has none */
  figure: Value | null;
  /** how much the deciding figure of the results with the most steps is above it */
  lost: { value: number; error: number | null } | null;
  /** PSNR, in dB, of these results, taking those with the most steps as the truth */
  alike: Value;
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
    /** standard error of `made` over trials; null for a single trial */
    error: number | null;
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
  /**
   * feature distances beside those of the headline's baseline, and how many trials are nearer to the truth;
   * null without a network, or a baseline
   */
  seen: Compared | null;
  figures: { figure: FigureId; values: Values }[];
  /** with several numbers of steps: one row for each but the largest, fewest first; else empty */
  fewerSteps: FewerSteps[];
  /** the headline figure, trial by trial */
  each: { name: string; prompt: string; values: Record<string, number> }[];
  /** pictures of the first trials */
  pictures: { name: string; prompt: string; shown: { label: string; file: string }[] }[];
}
