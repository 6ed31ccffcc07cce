/** The format of an evaluation report. */
import type { TaskReport, Value } from './summary/types.js';

/**
 * Everything that the figures depend on; figures of an
 * earlier run are reused if all of it is the same.
 */
export interface ReportSettings {
  /** description of where the trials come from */
  source: string;
  /** folder of the pipeline, or of another system's results */
  made: string;
  /** a hash that changes with what is in that folder, with the data, and with versions of mfm */
  identity: string;
  trials: number;
  /** of results; whole clips are cropped to it */
  size: { width: number; height: number };
  seed: number;
  /** null: the pipeline's own; with several, the most */
  steps: number | null;
  /** the others, fewest first */
  fewerSteps: number[];
  guidance: number | null;
  baselines: boolean;
  /** results per trial, from different seeds */
  repeats: number;
  /** file of the network whose features are compared; null: none */
  network: string | null;
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
