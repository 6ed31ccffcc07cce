/** Running layers one after the other with as little memory as their gradients allow. */
import { isGradEnabled, type Tensor, tidy } from '../tensor/index.js';

/** Runs `part`; where no gradient is asked for, all tensors it made but its result go at once. */
export function lean<T>(part: () => T): T {
  return isGradEnabled() ? part() : tidy(part);
}

/**
 * x through layers, one after the other. Where no gradient is asked for, what a layer made but its
 * result goes at once, and so does what it was given, unless it is kept or the x of the caller.
 *
 * @param alsoAlive   what layers leave behind on purpose, e.g. a cache
 */
export function through(
  x: Tensor,
  layers: readonly ((x: Tensor) => Tensor)[],
  alsoAlive?: Map<unknown, Tensor>,
): Tensor {
  if (isGradEnabled()) return layers.reduce((y, layer) => layer(y), x);
  let y = x;
  for (const layer of layers) {
    const [next] = tidy(() => [layer(y), alsoAlive] as const);
    if (y !== x && y !== next && !y.isKept) y.dispose();
    y = next;
  }
  return y;
}
