/** Where a loop takes its batches from, in order, and what it holds of a batch. */
import type { Tensor } from '../../tensor/index.js';

/** A source of batches. */
export interface Source<Batch> {
  /** the next batch, and the source's position after it (plain JSON) */
  next(): Promise<{ batch: Batch; position: unknown }>;
  close(): Promise<void>;
}

/** What a step takes of its batch, on the device. */
export interface Sent {
  dispose(): void;
}

/** Keeps tensors beyond the scope that they are made in, until their step disposes of them. */
export function keptForStep(tensors: Iterable<Tensor>): Sent {
  const kept = new Set(tensors);
  for (const tensor of kept) tensor.keep();
  return {
    dispose() {
      for (const tensor of kept) tensor.dispose();
    },
  };
}

export interface Taken<Batch> {
  batch: Batch;
  /** the source's position after it */
  position: unknown;
  /** number of optimizer steps before the one that it was sent for */
  step: number;
  /** null: nothing was sent ahead */
  sent: Sent | null;
}
