/** The commands. A command's file is loaded when it is called, or for its line in `mfm --help`. */
import type { ArgumentTable } from './terminal/args.js';
import type { Example } from './terminal/help.js';

/**
 * The exports of a command's file. Its static imports must be light (nothing that loads LibTorch or
 * zod); `run` and `details` import what they need, so that help is instant and works without LibTorch.
 */
export interface Command {
  /** one phrase, lower case, for the list of commands */
  summary: string;
  args: ArgumentTable;
  examples?: readonly Example[];
  /** more help text, e.g. the keys of a recipe; see `schemaHelp` */
  details?(): string | Promise<string>;
  /** returns the exit code if it is not 0; throws MfmError for problems that the user must know */
  run(options: never): number | undefined | Promise<number | undefined> | Promise<void>;
}

type Loader = () => Promise<Command>;

export const commands: Record<string, Loader> = {
  setup: () => import('./commands/setup/setup.js'),
  info: () => import('./commands/info/info.js'),
  pull: () => import('./commands/pull.js'),
  generate: () => import('./commands/generate/generate.js'),
  serve: () => import('./commands/serve.js'),
  depth: () => import('./commands/depth/depth.js'),
  train: () => import('./commands/train/train.js'),
  distil: () => import('./commands/distil.js'),
  plan: () => import('./commands/plan/plan.js'),
  lora: () => import('./commands/lora.js'),
  runs: () => import('./commands/runs/runs.js'),
  data: () => import('./commands/data/data.js'),
  demo: () => import('./commands/demo/demo.js'),
  eval: () => import('./commands/eval/eval.js'),
  verify: () => import('./commands/verify.js'),
};
