/** Describes the difference of two results. */
import { type Tensor, tidy } from '../src/tensor/index.js';

/** The largest and the RMS difference, relative to the reference's root mean square (RMS). */
export function differenceLine(x: Tensor, reference: Tensor): string {
  const { largest, typical } = tidy(() => {
    const difference = x.sub(reference);
    const rms = (t: Tensor) => t.square().mean().sqrt().item();
    const scale = rms(reference);
    return { largest: difference.abs().amax().item() / scale, typical: rms(difference) / scale };
  });
  return `at most ${largest.toExponential(1)}, root mean square ${typical.toExponential(1)}`;
}
