/**
 * A small seeded random number generator, independent of the
 * tensor library so that workers can use it.
 */

/** A stream of random numbers; for every seed, streams with different labels are independent. */
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

/** Draws one of `items`, with probabilities in proportion to their weights. */
export function drawWeighted<T extends { weight: number }>(
  random: RandomStream,
  items: readonly T[],
): T {
  const total = items.reduce((sum, { weight }) => sum + weight, 0);
  let left = random.next() * total;
  for (const item of items) {
    left -= item.weight;
    if (left < 0) return item;
  }
  return items[items.length - 1]!;
}

/** All of `items` in random order: each is drawn by weight from those that are left. */
export function* drawAll<T extends { weight: number }>(
  random: RandomStream,
  items: readonly T[],
): Iterable<T> {
  const left = [...items];
  while (left.length > 0) {
    const item = drawWeighted(random, left);
    yield item;
    left.splice(left.indexOf(item), 1);
  }
}

/**
 * 0 to `count` - 1 in a scattered order without storing it: a stride that is coprime to the count visits
 * each number exactly once.
 */
export function* scattered(random: RandomStream, count: number): Iterable<number> {
  let place = Math.floor(random.next() * count);
  let stride = 1 + Math.floor(random.next() * count);
  while (divisor(stride, count) > 1) stride++;
  for (let i = 0; i < count; i++) {
    yield place;
    place = (place + stride) % count;
  }
}

export const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
