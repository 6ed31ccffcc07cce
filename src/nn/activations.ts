/** Activation functions by the names that published configurations use. */
import { call, type Tensor } from '../tensor/index.js';
import { geluTanh } from './fused.js';

export const ACTIVATIONS = {
  relu: (x: Tensor) => x.relu(),
  gelu: (x: Tensor) => x.gelu(),
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  quick_gelu: (x: Tensor) => x.mul(x.mul(1.702).sigmoid()),
  silu: (x: Tensor) => x.silu(),
  swish: (x: Tensor) => x.silu(),
  selu: (x: Tensor) => call('aten::selu', x),
} as const;
export type Activation = keyof typeof ACTIVATIONS;
