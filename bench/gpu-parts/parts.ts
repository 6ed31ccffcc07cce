/** The parts of bench/gpu, in the order in which they run. */
import type { Part } from './context.js';

interface PartInfo {
  what: string;
  /** the most that it may take */
  seconds: number;
  env?: Record<string, string>;
  load(): Promise<Part>;
}

export type PartName =
  | 'goldens'
  | 'training'
  | 'step'
  | 'train-step'
  | 'operators'
  | 'nccl'
  | 'public'
  | 'decode';

export const PARTS: Record<PartName, PartInfo> = {
  goldens: {
    what: 'values: stored results of the reference, and the CPU',
    seconds: 60,
    load: async () => (await import('./goldens.js')).goldens,
  },
  training: {
    what: 'a training run: its losses beside those of the CPU, and exact resume',
    seconds: 60,
    env: { MFM_DETERMINISTIC: '1', CUBLAS_WORKSPACE_CONFIG: ':4096:8' },
    load: async () => (await import('./training.js')).training,
  },
  step: {
    what: 'a step of generate, 2B and 8B',
    seconds: 100,
    load: async () => (await import('./step.js')).steps,
  },
  'train-step': {
    what: "a training step, 2B and 8B, at the recipes' first two stages",
    seconds: 100,
    load: async () => (await import('./train-step.js')).trainSteps,
  },
  operators: {
    what: "where a step's time goes",
    seconds: 30,
    load: async () => (await import('./operators.js')).operators,
  },
  nccl: {
    what: 'NCCL, with one rank and with as many as there are GPUs',
    seconds: 40,
    load: async () => (await import('./nccl.js')).nccl,
  },
  public: {
    what: "the public code's step",
    seconds: 45,
    load: async () => (await import('./public.js')).publicStep,
  },
  decode: {
    what: 'decoding, beside diffusers',
    seconds: 45,
    load: async () => (await import('./decode.js')).decode,
  },
};
