/**
 * The latents, and labels, of scenes that come and go in training: kept in memory as long as they are used, as a disk
 * would fill with them.
 */
import type { Bucket } from '../stage-set.js';

export class PassingLatents {
  private readonly kept = new Map<string, Uint8Array<ArrayBuffer>>();
  private room = 0;

  /**
   * Makes room for the scenes of some buckets. Between its first and its last use, at most as many others
   * are met as a bucket holds, and once more where training begins or resumes with all of them new. A
   * scene may have labels beside its latents.
   */
  reserve(buckets: readonly Bucket[]): void {
    const passing = buckets.filter(({ renewal }) => renewal);
    const sizes = passing.map(({ entries }) => 4 * entries.length);
    this.room = Math.max(
      this.room,
      sizes.reduce((a, b) => a + b, 0),
    );
  }

  get(key: string): Uint8Array<ArrayBuffer> | null {
    return this.kept.get(key) ?? null;
  }

  put(key: string, bytes: Uint8Array<ArrayBuffer>): void {
    this.kept.set(key, bytes);
    if (this.kept.size > this.room) this.kept.delete(this.kept.keys().next().value!);
  }
}
