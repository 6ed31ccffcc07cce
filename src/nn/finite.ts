/** Values that are no numbers: told by one reduction, and looked for only where there are some. */
import { noGrad, type Tensor, tidy } from '../tensor/index.js';

/** Are all values numbers? For tensors that are small beside what made them. */
export function allFinite(values: Tensor): boolean {
  // the meta device has shapes alone
  if (values.numel === 0 || values.device === 'meta' || !values.dtype.includes('float'))
    return true;
  return noGrad(() =>
    tidy(() => {
      // a sum is finite only if all is; where many large values overflow, each is looked at
      const wide = values.detach().to('float32');
      return Number.isFinite(wide.sum().item()) || wide.isfinite().sum().item() === values.numel;
    }),
  );
}

/** "NaN" or "infinite values" of a tensor; null if all are numbers. */
export function notNumbers(values: Tensor): string | null {
  if (allFinite(values)) return null;
  const hasNaN = noGrad(() => tidy(() => values.detach().isnan().sum().item() > 0));
  return hasNaN ? 'NaN' : 'infinite values';
}

/**
 * The first tensor that holds other values than numbers, and which: "NAME holds NaN"; null if there
 * is none. Reads everything, one tensor after the other.
 */
export function findNotNumbers(tensors: Iterable<readonly [string, () => Tensor]>): string | null {
  for (const [name, read] of tensors) {
    const found = tidy(() => notNumbers(read()));
    if (found) return `${name} holds ${found}`;
  }
  return null;
}
