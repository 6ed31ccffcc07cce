/** Seeds of 64 bits, as other programs have them: a number where it is exact, else a bigint. */

export type Seed = number | bigint;

export const LAST_SEED = 2n ** 64n - 1n;

/** The seed so many after another; the first follows the last. */
export function seedAfter(seed: Seed, count: number): Seed {
  return exact(BigInt.asUintN(64, BigInt(seed) + BigInt(count)));
}

/**
 * Its last 32 bits. Noise is drawn on the CPU by a Mersenne Twister that is seeded with no more,
 * as in PyTorch there: seeds that differ above them give the same result.
 */
export const lowBits = (seed: Seed): number => Number(BigInt.asUintN(32, BigInt(seed)));

/** For JSON: larger ones than a number holds as text. */
export const seedInJson = (seed: Seed): number | string =>
  typeof seed === 'bigint' ? String(exact(seed)) : seed;

/** A whole number in digits; null if it is none, or out of range. */
export function parseSeed(text: string): Seed | null {
  const trimmed = text.trim();
  if (/^\+?\d{1,30}$/.test(trimmed)) {
    const seed = BigInt(trimmed.replace('+', ''));
    return seed <= LAST_SEED ? exact(seed) : null;
  }
  // 1e6, 0x10
  const value = trimmed === '' ? Number.NaN : Number(trimmed);
  return Number.isSafeInteger(value) && value >= 0 ? value : null;
}

const exact = (seed: bigint): Seed =>
  seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : seed;
