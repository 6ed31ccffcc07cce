/** Measures the communication of one process. */
export class CostMeter {
  private cost: CommunicationCost = { waitedSeconds: 0, bytes: 0 };

  /** Counts bytes that this process sends. */
  add(bytes: number): void {
    this.cost.bytes += bytes;
  }

  /** Waits for other processes, and counts the time. */
  async waitFor<T>(others: Promise<T>): Promise<T> {
    const startMs = performance.now();
    try {
      return await others;
    } finally {
      this.waitedSince(startMs);
    }
  }

  waitForSync<T>(others: () => T): T {
    const startMs = performance.now();
    try {
      return others();
    } finally {
      this.waitedSince(startMs);
    }
  }

  /** The cost since the last call. */
  take(): CommunicationCost {
    const taken = this.cost;
    this.cost = { waitedSeconds: 0, bytes: 0 };
    return taken;
  }

  private waitedSince(startMs: number): void {
    this.cost.waitedSeconds += (performance.now() - startMs) / 1000;
  }
}

/**
 * Communication of this process: seconds in which it did nothing but wait for others (waits on a
 * GPU do not count), and bytes that it sent (see `traffic.ts`).
 */
export interface CommunicationCost {
  waitedSeconds: number;
  bytes: number;
}
