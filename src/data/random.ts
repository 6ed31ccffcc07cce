/** Small seeded random numbers, independent of the tensor library so that workers can use them. */

/** One stream of random numbers; streams of different labels are unrelated for every seed. */
export class RandomStream {
  private state: number;

  /** @param seed a whole number from 0 to 2^53 - 1 */
  constructor(seed: number, label: string) {
    let hash = 2166136261; // FNV-1a
    for (let i = 0; i < label.length; i++) {
      hash = Math.imul(hash ^ label.charCodeAt(i), 16777619);
    }
    const low = mix((seed >>> 0) ^ hash);
    this.state = mix(low ^ Math.imul(Math.floor(seed / 2 ** 32) + 0x9e3779b9, 0x85ebca6b));
  }

  /** The next number in [0, 1). Source: mulberry32, Tommy Ettinger, public domain. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)];
  }
}

/** The finaliser of MurmurHash3, 32 bits. */
function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
