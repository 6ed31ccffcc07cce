/** What a report of an evaluation holds. */
import type { TaskReport, Value } from './evaluate.js';

/** What the figures depend on; an earlier run's are used again where all of it is the same. */
export interface ReportSettings {
  /** where the trials come from, in words */
  source: string;
  /** folder of the pipeline, or of another system's results */
  made: string;
  /** changes with its contents */
  identity: string;
  trials: number;
  seed: number;
  /** null: the pipeline's own */
  steps: number | null;
  guidance: number | null;
  baselines: boolean;
  dtype: string;
  device: string;
}

/** report.json; `format` changes when a reader has to. */
export interface Report {
  format: 'mfm-eval/1';
  settings: ReportSettings;
  versions: { mfm: string; libtorch: string; node: string };
  machine: string;
  /** what a reader has to know, a sentence each */
  notes: string[];
  definitions: {
    figures: { id: string; name: string; unit: string; better: string; definition: string }[];
    headlines: { figure: string; when: string; against: string }[];
  };
  /** PSNR in dB of true clips and images that went through the autoencoder: no result can be better */
  autoencoder: { clips: Value | null; images: Value | null } | null;
  tasks: TaskReport[];
  /** figures that others published, for the tasks tried; of other data, so no more than a reference */
  published: Published | null;
}

export interface Published {
  source: string;
  tasks: Record<string, { system: string; psnr: number; ssim: number; lpips: number }[]>;
}
