/** Running a network in pieces whose tensors go as soon as they have been used. */
import { isGradEnabled, type Tensor, tidy } from '../tensor/index.js';

/** Runs `part`; where no gradient is asked for, all tensors it made but its result go at once. */
export function lean<T>(part: () => T): T {
  return isGradEnabled() ? part() : tidy(part);
}

/**
 * The result of `steps`, each given what the one before made; that is freed as soon as it has been
 * used, so activations of full size are not held for every step. What gradients need, LibTorch
 * keeps.
 */
export function inTurn(x: Tensor, ...steps: ((x: Tensor) => Tensor)[]): Tensor {
  let current = x;
  for (const step of steps) {
    const next = tidy(() => step(current));
    if (current !== x && current !== next) current.dispose();
    current = next;
  }
  return current;
}
