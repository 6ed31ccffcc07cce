/**
 * Finds duplicates in a data set, one item after another: exact ones by the hash of their files, near
 * ones (scaled or recompressed copies) by difference hashes of up to three frames.
 */
import type { Hash64 } from './measure.js';

/**
 * Number of the 64 bits in which hashes of near frames may
 * differ; copies at half size differ in 0 to 3.
 */
const NEAR = 3;
/** By the pigeonhole principle, near hashes agree in at least one of `NEAR + 1` parts. */
const PARTS = [0, 16, 32, 48] as const;

export interface Fingerprint {
  /** of the item's files */
  contentHash: string;
  /**
   * see `differenceHash`: one for a picture, three for a
   * clip; empty: not compared for near duplicates
   */
  hashes: readonly Hash64[];
}

export interface Duplicate {
  of: string;
  kind: 'exact' | 'near';
}

export class DuplicateFinder {
  private readonly exact = new Map<string, string>();
  private readonly seen: { name: string; hashes: readonly Hash64[] }[] = [];
  /** for each part of a hash, a map from its value to indices in `seen` */
  private readonly buckets = PARTS.map(() => new Map<number, number[]>());

  /** The earliest item that this one duplicates, or null if it is new; new items are remembered. */
  check(name: string, { contentHash, hashes }: Fingerprint): Duplicate | null {
    const same = this.exact.get(contentHash);
    if (same !== undefined) return { of: same, kind: 'exact' };
    const near = this.nearest(hashes);
    if (near !== undefined) return { of: near, kind: 'near' };
    this.exact.set(contentHash, name);
    const key = keyOf(hashes);
    if (key === undefined) return null;
    const place = this.seen.push({ name, hashes }) - 1;
    this.buckets.forEach((bucket, i) => {
      const part = partOf(key, PARTS[i]!);
      const list = bucket.get(part);
      if (list) list.push(place);
      else bucket.set(part, [place]);
    });
    return null;
  }

  private nearest(hashes: readonly Hash64[]): string | undefined {
    const key = keyOf(hashes);
    if (key === undefined) return undefined;
    let first = Number.POSITIVE_INFINITY;
    this.buckets.forEach((bucket, i) => {
      for (const place of bucket.get(partOf(key, PARTS[i]!)) ?? []) {
        if (place < first && isNear(hashes, this.seen[place]!.hashes)) first = place;
      }
    });
    return this.seen[first]?.name;
  }
}

function isNear(a: readonly Hash64[], b: readonly Hash64[]): boolean {
  return a.length === b.length && a.every((hash, i) => distance(hash, b[i]!) <= NEAR);
}

/** Hamming distance: the number of bits that differ. */
export function distance(a: Hash64, b: Hash64): number {
  return bitsIn(a[0] ^ b[0]) + bitsIn(a[1] ^ b[1]);
}

function bitsIn(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** The hash by which an item is indexed: that of the middle frame. */
const keyOf = (hashes: readonly Hash64[]): Hash64 | undefined => hashes[hashes.length >> 1];

function partOf([high, low]: Hash64, shift: number): number {
  return ((shift < 32 ? low >>> shift : high >>> (shift - 32)) & 0xffff) >>> 0;
}
