/** Creating parameters: their dtype and device, and PyTorch's default initialisation. */
import { type DType, empty, type Tensor } from '../tensor/index.js';

interface ParameterOptions {
  dtype: DType;
  /** 'meta' allocates no memory: for models whose weights are loaded right after */
  device: string;
  /** 'empty' leaves the values undefined */
  init: 'default' | 'empty';
}

let current: ParameterOptions = { dtype: 'float32', device: 'cpu', init: 'default' };

/** Modules built inside `fn` create their parameters with these options. */
export function withParameters<T>(options: Partial<ParameterOptions>, fn: () => T): T {
  const before = current;
  current = { ...current, ...options };
  try {
    return fn();
  } finally {
    current = before;
  }
}

/** Uniform in ±bound, drawn in float32, unless `withParameters` asks for undefined values. */
export function uniformParameter(shape: number[], bound: number): Tensor {
  return make(shape, (tensor) => tensor.uniform_(-bound, bound));
}

export function normalParameter(shape: number[], std: number): Tensor {
  return make(shape, (tensor) => tensor.normal_(0, std));
}

export function constantParameter(shape: number[], value: number): Tensor {
  return make(shape, (tensor) => tensor.fill_(value));
}

function make(shape: number[], fill: (tensor: Tensor) => Tensor): Tensor {
  const { dtype, device, init } = current;
  if (device === 'meta' || init === 'empty') return empty(shape, { dtype, device });
  return fill(empty(shape)).to(dtype).to(device);
}
