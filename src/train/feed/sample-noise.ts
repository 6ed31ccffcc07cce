/** The random generator of a sample's noise. */
import { Generator } from '../../tensor/index.js';

/**
 * The generator for a sample's noise. It follows from the seed, the step and the sample's place in
 * the whole batch, so the noise does not depend on which process computes it, or with which other
 * samples.
 */
export function sampleGenerator(seed: number, step: number, index: number): Generator {
  const mixed = (BigInt(seed) * 1_000_003n + BigInt(step)) * 1_048_583n + BigInt(index);
  return new Generator(BigInt.asUintN(63, mixed * 0x9e3779b97f4a7c15n));
}
