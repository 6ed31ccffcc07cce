/** The two factories that differ from the operators of the same name. */
import type { Scalar } from './dispatch.js';
import type { DType } from './dtype.js';
import * as ops from './ops.js';
import type { Tensor } from './tensor.js';

type Options = { dtype?: DType | null; device?: string | null };

/** A tensor of `value`s, float32 unless `dtype` says otherwise. */
export function full(shape: readonly number[], value: Scalar, options: Options = {}): Tensor {
  return ops.full(shape, value, { ...options, dtype: options.dtype ?? 'float32' });
}

/** `arange(end)` or `arange(start, end, step)`: int64 for whole numbers, as in PyTorch. */
export function arange(
  start: number,
  end?: number | null,
  step = 1,
  options: Options = {},
): Tensor {
  return end == null ? ops.arange(0, start, 1, options) : ops.arange(start, end, step, options);
}
