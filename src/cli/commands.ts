/** The commands. A file is loaded when its command is called, or for its line in `mfm --help`. */
import type { ArgumentTable } from './args.js';
import type { Example } from './help.js';

/**
 * What a command file exports. Its own imports are light (nothing that loads LibTorch or zod);
 * `run` and `details` import what they need, so that help is instant and works without LibTorch.
 */
export interface Command {
  /** one phrase, lower case, for the list of commands */
  summary: string;
  args: ArgumentTable;
  examples?: readonly Example[];
  /** more help text, e.g. the keys of a recipe; see `schemaHelp` */
  details?(): string | Promise<string>;
  /** returns the exit code if it is not 0; throws MfmError for what the user has to know */
  run(options: never): number | undefined | Promise<number | undefined> | Promise<void>;
}

type Loader = () => Promise<Command>;

export const commands: Record<string, Loader> = {
  info: () => import('./info.js'),
  pull: () => import('./pull.js'),
  generate: () => import('./generate.js'),
  train: () => import('./train.js'),
  plan: () => import('./plan-training.js'),
  lora: () => import('./lora.js'),
  runs: () => import('./runs.js'),
  data: () => import('./data.js'),
  demo: () => import('./demo.js'),
  eval: () => import('./eval.js'),
  verify: () => import('./verify.js'),
};
