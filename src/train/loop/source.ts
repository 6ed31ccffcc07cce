/** Where a loop takes its batches from. */

/** Batches in their order. */
export interface Source<Batch> {
  /** the next one, and where the source stands after it (plain JSON) */
  next(): Promise<{ batch: Batch; position: unknown }>;
  close(): Promise<void>;
}
