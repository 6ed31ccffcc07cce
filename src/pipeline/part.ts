/** A network of a pipeline, which is in memory only while it is needed. */
import { findNotNumbers, type Module } from '../nn/index.js';
import type { DType } from '../tensor/index.js';

export interface PipelinePart<M extends Module> {
  /** the module as it was opened; use it for its configuration only */
  readonly module: M;
  /** where it computes; its weights are on this device after `use` */
  readonly device: string;
  /** the module, ready to compute */
  use(): M;
  /** the first non-finite weight, as "FILE: TENSOR holds NaN"; null if all are finite; reads them all */
  findBroken(): string | null;
  /** frees its memory, provided it can be opened again */
  release(): void;
  dispose(): void;
}

/** A module that stays in memory, e.g. one that is being trained. */
export function residentPart<M extends Module>(module: M): PipelinePart<M> {
  return {
    module,
    get device() {
      return module.device;
    },
    use: () => module,
    findBroken: () =>
      findNotNumbers([...module.namedParameters()].map(([name, value]) => [name, () => value])),
    release: () => {},
    dispose: () => module.dispose(),
  };
}

/** What it took to make the weights ready. */
export interface ReadyReport {
  /** the dtype they are stored in */
  stored: DType;
  seconds: number;
}

export interface MappedPartOptions<M> {
  device?: string;
  /** replaces weights before they are brought to the dtype and the device */
  change?: (module: M, dtype: DType) => void;
  /** called when they are ready */
  onReady?: (report: ReadyReport) => void;
  /** searches the files; see `PipelinePart.findBroken` */
  findBroken?: () => string | null;
}

/**
 * A module whose weights are mapped from files: they take memory once they are used, and none after
 * `release`; the next `use` maps them again.
 *
 * @param open    builds the module with mapped weights, in the dtype that they are stored in
 * @param dtype   what it computes in; weights of another dtype are converted on first use
 * @param device  where it computes; weights are moved there on first use
 */
export function mappedPart<M extends Module>(
  open: () => M,
  dtype: DType,
  { device = 'cpu', change, onReady, findBroken = () => null }: MappedPartOptions<M> = {},
): PipelinePart<M> {
  let module = open();
  let state: 'mapped' | 'ready' | 'released' = 'mapped';
  return {
    device,
    findBroken,
    get module() {
      return module;
    },
    use() {
      if (state === 'released') module = open();
      if (state !== 'ready') {
        const startMs = performance.now();
        const stored = module.parameters()[0]!.dtype;
        change?.(module, dtype);
        module.moveTo(device, dtype);
        onReady?.({ stored, seconds: (performance.now() - startMs) / 1000 });
      }
      state = 'ready';
      return module;
    },
    release() {
      if (state !== 'ready') return;
      module.dispose();
      state = 'released';
    },
    dispose() {
      if (state !== 'released') module.dispose();
      state = 'released';
    },
  };
}
