/** Where a loop takes its batches from, in order. */
export interface Source<Batch> {
  /** the next batch, and the source's position after it (plain JSON) */
  next(): Promise<{ batch: Batch; position: unknown }>;
  close(): Promise<void>;
}
