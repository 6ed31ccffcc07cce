/** How far two results are apart, in words. */
import { type Tensor, tidy } from '../src/tensor/index.js';

/** Largest and root mean square difference, in units of the reference's root mean square. */
export function differenceLine(x: Tensor, reference: Tensor): string {
  const { largest, typical } = tidy(() => {
    const difference = x.sub(reference);
    const rms = (t: Tensor) => t.square().mean().sqrt().item();
    const scale = rms(reference);
    return { largest: difference.abs().amax().item() / scale, typical: rms(difference) / scale };
  });
  return `at most ${largest.toExponential(1)}, root mean square ${typical.toExponential(1)}`;
}
