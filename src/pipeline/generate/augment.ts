/** Noise on what is given, so that a model keeps less closely to it. */
import { InputError } from '../../errors.js';
import { type Seed, seedAfter } from '../../seed.js';
import type { Condition, Task } from '../../tasks/index.js';
import { cat, Generator, randn, tidy } from '../../tensor/index.js';

/**
 * Keeps this noise apart from that which sampling starts from, where seeds follow one another. Within
 * 32 bits, the most that the generator takes: 2^32 over the golden ratio.
 */
const SEED_OFFSET = 0x9e3779b9;

/**
 * A new condition: `strength` times normal noise is added to pixels and depth, also where nothing is
 * known; the mask stays. One seed gives the same noise, whatever was made before.
 *
 * Source: the reference's noise_aug_strength, which draws from a generator that all results share
 */
export function withNoise(
  { pixels, depth, mask }: Condition,
  { strength, seed }: { strength: number; seed: Seed },
): Condition {
  return tidy(() => {
    const clean = cat([pixels, depth], 1); // [1, 4, F, H, W]
    const noise = randn(clean.shape, { generator: new Generator(seedAfter(seed, SEED_OFFSET)) });
    const noisy = clean.add(noise, { alpha: strength });
    return {
      pixels: noisy.narrow(1, 0, 3).contiguous(),
      depth: noisy.narrow(1, 3, 1).contiguous(),
      mask: mask.clone(),
    };
  });
}

/** @throws InputError for a task without an input */
export function expectInputForNoise({ id, inputs }: Task, strength: number): void {
  if (strength > 0 && inputs.length === 0) {
    throw new InputError(
      `${id}: has no input to add noise to; leave out \`noiseAugStrength\`, or use 0`,
    );
  }
}
