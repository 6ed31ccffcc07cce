/** The common layers; initial values are PyTorch's defaults. */
import { ops, type Tensor } from '../tensor/index.js';
import { linear, rmsNorm } from './fused.js';
import { constantParameter, normalParameter, uniformParameter } from './init.js';
import { Module } from './module.js';

/** y = x Wᵀ + b: [..., inFeatures] → [..., outFeatures]; weight is [out, in]. */
export class Linear extends Module {
  weight: Tensor;
  bias: Tensor | null = null;
  /** its output is added to this layer's; not registered as a child: see `addLora` */
  addition: { forward(x: Tensor): Tensor } | null = null;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    { bias = true }: { bias?: boolean } = {},
  ) {
    super();
    const bound = 1 / Math.sqrt(inFeatures);
    this.weight = this.param('weight', uniformParameter([outFeatures, inFeatures], bound));
    if (bias) this.bias = this.param('bias', uniformParameter([outFeatures], bound));
  }

  forward(x: Tensor): Tensor {
    const y = linear(x, this.weight, this.bias);
    return this.addition ? y.add(this.addition.forward(x)) : y;
  }
}

export interface ConvOptions {
  stride?: number | number[];
  padding?: number | number[];
  bias?: boolean;
}

abstract class Conv extends Module {
  weight: Tensor;
  bias: Tensor | null = null;
  readonly stride: number[];
  readonly padding: number[];

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    readonly kernelSize: number[],
    { stride = 1, padding = 0, bias = true }: ConvOptions = {},
  ) {
    super();
    this.stride = spread(stride, kernelSize.length);
    this.padding = spread(padding, kernelSize.length);
    const fanIn = inChannels * kernelSize.reduce((a, b) => a * b, 1);
    const bound = 1 / Math.sqrt(fanIn);
    const shape = [outChannels, inChannels, ...kernelSize];
    this.weight = this.param('weight', uniformParameter(shape, bound));
    if (bias) this.bias = this.param('bias', uniformParameter([outChannels], bound));
  }
}

const spread = (value: number | number[], dims: number): number[] =>
  Array.isArray(value) ? value : new Array<number>(dims).fill(value);

/** [B, C, H, W] → [B, outChannels, H', W'] */
export class Conv2d extends Conv {
  constructor(inC: number, outC: number, kernel: number | number[], options?: ConvOptions) {
    super(inC, outC, spread(kernel, 2), options);
  }

  forward(x: Tensor): Tensor {
    return ops.conv2d(x, this.weight, this.bias, this.stride, this.padding);
  }
}

/** [B, C, F, H, W] → [B, outChannels, F', H', W'] */
export class Conv3d extends Conv {
  constructor(inC: number, outC: number, kernel: number | number[], options?: ConvOptions) {
    super(inC, outC, spread(kernel, 3), options);
  }

  forward(x: Tensor): Tensor {
    return ops.conv3d(x, this.weight, this.bias, this.stride, this.padding);
  }
}

export interface ConvTransposeOptions {
  stride?: number | number[];
  bias?: boolean;
}

/** [B, C, H, W] → [B, outChannels, (H - 1) · stride + kernel, …]; weight is [in, out, kH, kW]. */
export class ConvTranspose2d extends Module {
  weight: Tensor;
  bias: Tensor | null = null;
  readonly stride: number[];

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    kernel: number | number[],
    { stride = 1, bias = true }: ConvTransposeOptions = {},
  ) {
    super();
    const [kernelHeight, kernelWidth] = spread(kernel, 2) as [number, number];
    this.stride = spread(stride, 2);
    const bound = 1 / Math.sqrt(outChannels * kernelHeight * kernelWidth);
    const shape = [inChannels, outChannels, kernelHeight, kernelWidth];
    this.weight = this.param('weight', uniformParameter(shape, bound));
    if (bias) this.bias = this.param('bias', uniformParameter([outChannels], bound));
  }

  /** In float32: in bfloat16 on the CPU, LibTorch 1.13 computes a plain strided convolution. */
  forward(x: Tensor): Tensor {
    const [weight, bias] = [this.weight.to('float32'), this.bias?.to('float32')];
    return ops.convTranspose2d(x.to('float32'), weight, bias, this.stride).to(x.dtype);
  }
}

/** Token ids [..., S] int64 → [..., S, dim] */
export class Embedding extends Module {
  weight: Tensor;

  constructor(numEmbeddings: number, dim: number) {
    super();
    this.weight = this.param('weight', normalParameter([numEmbeddings, dim], 1));
  }

  forward(ids: Tensor): Tensor {
    return ops.embedding(this.weight, ids);
  }
}

/** x / rms(x) · weight over the last dimension; statistics in float32. */
export class RMSNorm extends Module {
  weight: Tensor | null = null;
  readonly eps: number;

  constructor(dim: number, { eps = 1e-6, affine = true }: { eps?: number; affine?: boolean } = {}) {
    super();
    this.eps = eps;
    if (affine) this.weight = this.param('weight', constantParameter([dim], 1));
  }

  /** x [B, L, D] */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight, this.eps);
  }
}

/** Layer norm over the last dimension; computed in float32, which also has the fastest kernel. */
export class LayerNorm extends Module {
  weight: Tensor | null = null;
  bias: Tensor | null = null;
  readonly eps: number;

  constructor(
    readonly dim: number,
    { eps = 1e-5, affine = true }: { eps?: number; affine?: boolean } = {},
  ) {
    super();
    this.eps = eps;
    if (affine) {
      this.weight = this.param('weight', constantParameter([dim], 1));
      this.bias = this.param('bias', constantParameter([dim], 0));
    }
  }

  forward(x: Tensor): Tensor {
    const weight = this.weight?.to('float32');
    const bias = this.bias?.to('float32');
    return ops.layerNorm(x.to('float32'), [this.dim], weight, bias, this.eps).to(x.dtype);
  }
}

/** Group norm over channels of [B, C, ...]; in float32, which also has the fastest kernel. */
export class GroupNorm extends Module {
  weight: Tensor;
  bias: Tensor;
  readonly eps: number;

  constructor(
    readonly numGroups: number,
    readonly numChannels: number,
    { eps = 1e-5 }: { eps?: number } = {},
  ) {
    super();
    this.eps = eps;
    this.weight = this.param('weight', constantParameter([numChannels], 1));
    this.bias = this.param('bias', constantParameter([numChannels], 0));
  }

  forward(x: Tensor): Tensor {
    const [weight, bias] = [this.weight.to('float32'), this.bias.to('float32')];
    return ops.groupNorm(x.to('float32'), this.numGroups, weight, bias, this.eps).to(x.dtype);
  }
}
