/** `Tensor.to`, which distinguishes dtypes from devices, and copies to a device. */
import { call } from './dispatch.js';
import { bytesPerElement, dtypeCode, isDType } from './dtype.js';
import { tidy } from './scope.js';
import type { Tensor } from './tensor.js';

/** `target` is a dtype (`'bfloat16'`) or a device (`'cpu'`, `'cuda:1'`, `'meta'`). */
export function dispatchTo(tensor: Tensor, target: string): Tensor {
  if (isDType(target)) {
    if (tensor.dtype === target) return tensor;
    return call('aten::to.dtype', tensor, dtypeCode(target));
  }
  const { device } = tensor;
  if (device === target) return tensor;
  const waits = device !== 'cpu' || !copiesAside(target);
  return call('aten::_to_copy', tensor, undefined, undefined, target, undefined, !waits);
}

/**
 * Does a copy from the CPU to the device return before it has ended? What it reads is safe then: LibTorch
 * holds pinned memory until the copy is done, and the driver takes other memory before it returns.
 */
const copiesAside = (device: string): boolean => /^(cuda|privateuseone)/.test(device);

/** From this size on, a copy from pinned memory is worth the copy into it; a guess. */
const PINNED_BYTES = 2 ** 16;

/**
 * A tensor of the CPU on another device, without waiting for the copy; itself if it is there. Large ones
 * go to CUDA through pinned memory, from which they are copied while the device computes.
 */
export function upload(tensor: Tensor, device: string): Tensor {
  const large = tensor.numel * bytesPerElement(tensor.dtype) >= PINNED_BYTES;
  if (!device.startsWith('cuda') || tensor.device !== 'cpu' || !large) return tensor.to(device);
  return tidy(() => call<Tensor>('aten::pin_memory', tensor, 'cuda').to(device));
}

/** Tensors as one, along the first dimension, on a device; those of the CPU are joined there. */
export function uploadAll(tensors: readonly Tensor[], device: string): Tensor {
  return tidy(() => {
    const here = tensors.every((one) => one.device === 'cpu');
    const there = here ? tensors : tensors.map((one) => upload(one, device));
    return upload(there.length > 1 ? call<Tensor>('aten::cat', there) : there[0]!, device);
  });
}
