/** 64-bit seeds, as in other programs: a number if that is exact, else a bigint. */

export type Seed = number | bigint;

export const LAST_SEED = 2n ** 64n - 1n;

/** The seed `count` after another, wrapping around after the last one. */
export function seedAfter(seed: Seed, count: number): Seed {
  return exact(BigInt.asUintN(64, BigInt(seed) + BigInt(count)));
}

/**
 * The lowest 32 bits of a seed. Noise is drawn on the CPU by a Mersenne Twister that uses only
 * these, as in PyTorch: seeds that differ only in higher bits give the same result.
 */
export const lowBits = (seed: Seed): number => Number(BigInt.asUintN(32, BigInt(seed)));

/** A seed for JSON: as text if it is too large to be exact as a number. */
export const seedInJson = (seed: Seed): number | string =>
  typeof seed === 'bigint' ? String(exact(seed)) : seed;

/** Parses a seed; null if it is not a whole number, or out of range. */
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
