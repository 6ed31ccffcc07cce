/** Finding non-finite values: one reduction detects them, and only then are they searched for. */
import { noGrad, type Tensor, tidy } from '../tensor/index.js';

/** Are all values finite? For tensors that are small beside the work that made them. */
export function allFinite(values: Tensor): boolean {
  // tensors on the meta device have no values
  if (values.numel === 0 || values.device === 'meta' || !values.dtype.includes('float'))
    return true;
  return noGrad(() =>
    tidy(() => {
      // a finite sum proves that all values are; a sum may overflow though, so then each is checked
      const wide = values.detach().to('float32');
      return Number.isFinite(wide.sum().item()) || wide.isfinite().sum().item() === values.numel;
    }),
  );
}

/** Whether a tensor holds "NaN" or "infinite values"; null if all its values are finite. */
export function notNumbers(values: Tensor): string | null {
  if (allFinite(values)) return null;
  const hasNaN = noGrad(() => tidy(() => values.detach().isnan().sum().item() > 0));
  return hasNaN ? 'NaN' : 'infinite values';
}

/**
 * The first tensor with non-finite values, as "NAME holds NaN" or "NAME holds infinite values";
 * null if there is none. Reads all tensors, one after the other.
 */
export function findNotNumbers(tensors: Iterable<readonly [string, () => Tensor]>): string | null {
  for (const [name, read] of tensors) {
    const found = tidy(() => notNumbers(read()));
    if (found) return `${name} holds ${found}`;
  }
  return null;
}
