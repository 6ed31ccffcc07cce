/** The noise of a sample. */
import { Generator } from '../../tensor/index.js';

/**
 * The noise of a sample, by its place in the whole batch of a step: the same wherever and beside
 * whatever it is computed.
 */
export function sampleGenerator(seed: number, step: number, index: number): Generator {
  const mixed = (BigInt(seed) * 1_000_003n + BigInt(step)) * 1_048_583n + BigInt(index);
  return new Generator(BigInt.asUintN(63, mixed * 0x9e3779b97f4a7c15n));
}
