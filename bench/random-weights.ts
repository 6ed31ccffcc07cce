/** Random weights at a scale that keeps activations finite, however deep the network. */
import type { Module } from '../src/nn/index.js';
import { empty, noGrad, type Tensor, tidy } from '../src/tensor/index.js';

/** A bf16 parameter: biases 0, norms 1, matrices such that a layer preserves its input's scale. */
export function randomParameter(name: string, shape: number[]): Tensor {
  return noGrad(() =>
    tidy(() => {
      const values = empty(shape);
      const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
      if (shape.length > 1) values.normal_(0, fanIn ** -0.5);
      else values.fill_(name.endsWith('bias') ? 0 : 1);
      return values.to('bfloat16');
    }),
  );
}

/** Sets every parameter to random values, in its own dtype. */
export function randomise(module: Module): void {
  noGrad(() => {
    for (const [name, parameter] of module.namedParameters()) {
      tidy(() => void parameter.copy_(randomParameter(name, parameter.shape)));
    }
  });
}
