export class CostMeter {
  private cost: CommunicationCost = { waitedSeconds: 0, bytes: 0 };

  /** Of work that is being sent. */
  add(bytes: number): void {
    this.cost.bytes += bytes;
  }

  /** Counts the time until `others` have done their part. */
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

  /** What was counted since the last call. */
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
 * What processes cost each other since it was last asked: seconds in which this one did nothing but
 * wait for others (not what a GPU waited), and bytes that it sent (see `traffic.ts`).
 */
export interface CommunicationCost {
  waitedSeconds: number;
  bytes: number;
}
