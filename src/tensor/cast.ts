/** `Tensor.to`: distinguishes dtypes from devices. */
import { call } from './dispatch.js';
import { dtypeCode, isDType } from './dtype.js';
import type { Tensor } from './tensor.js';

/** `target` is a dtype (`'bfloat16'`) or a device (`'cpu'`, `'cuda:1'`, `'meta'`). */
export function dispatchTo(tensor: Tensor, target: string): Tensor {
  if (isDType(target)) {
    if (tensor.dtype === target) return tensor;
    return call('aten::to.dtype', tensor, dtypeCode(target));
  }
  if (tensor.device === target) return tensor;
  return call('aten::_to_copy', tensor, undefined, undefined, target);
}
