/** Adds noise to the condition, so that the model follows it less closely. */
import { InputError } from '../../errors.js';
import { type Seed, seedAfter } from '../../seed.js';
import { type Condition, hasCondition, type Task } from '../../tasks/index.js';
import { cat, Generator, randn, tidy } from '../../tensor/index.js';

/**
 * Keeps this noise independent of the noise that sampling starts from, which uses consecutive seeds.
 * 2^32 divided by the golden ratio; it fits into 32 bits, the most that the generator takes.
 */
const SEED_OFFSET = 0x9e3779b9;

/**
 * A new condition, with `strength` times normal noise added to pixels and depth, even where nothing
 * is known; the mask is unchanged. The same seed always gives the same noise.
 *
 * Source: the reference's noise_aug_strength, which however draws from a generator shared by all
 * results
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

/** @throws InputError if noise is asked for, but the task has no input */
export function expectInputForNoise(task: Task, strength: number): void {
  if (strength > 0 && !hasCondition(task)) {
    throw new InputError(
      `${task.id}: has no input to add noise to; leave out \`noiseAugStrength\`, or use 0`,
    );
  }
}
