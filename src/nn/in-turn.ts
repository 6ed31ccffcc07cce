/** Runs networks piece by piece, freeing each piece's tensors as soon as they have been used. */
import { isGradEnabled, type Tensor, tidy } from '../tensor/index.js';

/** Runs `part`; without gradients, all tensors that it made except its result are freed at once. */
export function lean<T>(part: () => T): T {
  return isGradEnabled() ? part() : tidy(part);
}

/**
 * Applies `steps` in sequence and returns the last result. Each intermediate result is freed as
 * soon as the next step has used it, so full-size activations are not held for every step. LibTorch
 * itself keeps what gradients need.
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
