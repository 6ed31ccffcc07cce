/** A network of a pipeline, in memory only as long as it is needed. */
import { findNotNumbers, type Module } from '../nn/index.js';
import type { DType } from '../tensor/index.js';

export interface PipelinePart<M extends Module> {
  /** the module as it was opened: for its configuration */
  readonly module: M;
  /** where it computes; its weights are there from `use` on */
  readonly device: string;
  /** the module, ready to compute */
  use(): M;
  /** the first weight that is no number, as "FILE: TENSOR holds NaN"; null if all are; reads all */
  findBroken(): string | null;
  /** gives its memory back, if it can be opened again */
  release(): void;
  dispose(): void;
}

/** A module that stays, e.g. one that is being trained. */
export function residentPart<M extends Module>(module: M): PipelinePart<M> {
  return {
    module,
    device: module.device,
    use: () => module,
    findBroken: () =>
      findNotNumbers([...module.namedParameters()].map(([name, value]) => [name, () => value])),
    release: () => {},
    dispose: () => module.dispose(),
  };
}

/** How weights came to be ready. */
export interface ReadyReport {
  /** the dtype they are stored in */
  stored: DType;
  seconds: number;
}

export interface MappedPartOptions<M> {
  device?: string;
  /** replaces weights before they are brought to the dtype and the device */
  change?: (module: M, dtype: DType) => void;
  /** told when they are there */
  onReady?: (report: ReadyReport) => void;
  /** looks through the files; see `findBroken` of the part */
  findBroken?: () => string | null;
}

/**
 * A module whose weights are mapped from files: they take memory as they are used, and none after
 * `release`, when the next `use` maps them again.
 *
 * @param open    builds the module with mapped weights, in the dtype that they are stored in
 * @param dtype   what it computes in; other weights are converted on first use
 * @param device  where it computes; weights are brought there on first use
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
