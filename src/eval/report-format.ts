/** The format of an evaluation report. */
import type { TaskReport, Value } from './evaluate.js';

/**
 * Everything that the figures depend on; figures of an
 * earlier run are reused if all of it is the same.
 */
export interface ReportSettings {
  /** description of where the trials come from */
  source: string;
  /** folder of the pipeline, or of another system's results */
  made: string;
  /** a hash that changes with the contents of that folder */
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

/** report.json; `format` changes whenever readers have to be adapted. */
export interface Report {
  format: 'mfm-eval/1';
  settings: ReportSettings;
  versions: { mfm: string; libtorch: string; node: string };
  machine: string;
  /** remarks for the reader, one sentence each */
  notes: string[];
  definitions: {
    figures: { id: string; name: string; unit: string; better: string; definition: string }[];
    headlines: { figure: string; when: string; against: string }[];
  };
  /** PSNR in dB of true clips and images after the autoencoder alone, an upper bound for any result */
  autoencoder: { clips: Value | null; images: Value | null } | null;
  tasks: TaskReport[];
  /** published figures of others for the evaluated tasks; on other data, so only a reference */
  published: Published | null;
}

export interface Published {
  source: string;
  tasks: Record<string, { system: string; psnr: number; ssim: number; lpips: number }[]>;
}
