/** The options of every run, whatever it trains. */
import { deviceOption } from '../../options/device.js';
import type { Argument } from '../../terminal/args.js';

export const runOptions = {
  run: {
    kind: 'text',
    describe: "folder of the run (default: runs/NAME, with the recipe's name)",
  },
  device: {
    ...deviceOption,
    describe: `${deviceOption.describe}; each process of a machine takes a GPU of its own; wins over the recipe's device`,
  },
  resume: { kind: 'flag', describe: 'continue a run that was stopped' },
  dryRun: {
    kind: 'flag',
    describe: 'describe the run, its cost and how often each task is drawn, without training',
  },
  nproc: {
    kind: 'integer',
    default: 1,
    min: 1,
    max: 4096,
    describe:
      'processes on this machine; for several machines use torchrun, mpirun, srun or Kubernetes',
  },
  workers: { kind: 'integer', min: 1, max: 256, describe: 'threads that prepare samples' },
  cache: {
    kind: 'text',
    describe: "folder for encoded samples, which runs can share (default: the run's cache/)",
  },
  timeout: {
    kind: 'number',
    min: 0.1,
    max: 1e6,
    default: 600,
    describe: 'seconds that processes wait for one another before they give up',
  },
  hang: {
    kind: 'number',
    min: 0.1,
    max: 1e6,
    default: 30,
    describe: 'seconds without a sign of life after which a process counts as hung',
  },
  checkMemory: {
    kind: 'flag',
    default: true,
    describe: 'start even if there seems to be too little memory',
  },
  set: {
    kind: 'set',
    repeat: true,
    describe:
      'change a key of the recipe; the value is YAML: transformer.steps=9, "transformer.tasks={t2i: 1}"; null removes the key',
  },
} as const satisfies Record<string, Argument>;
