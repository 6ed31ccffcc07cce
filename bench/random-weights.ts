/** Random weights at a scale that keeps activations finite, however deep the network. */
import type { Module } from '../src/nn/index.js';
import { empty, noGrad, type Tensor, tidy } from '../src/tensor/index.js';

/** Biases 0, norms 1, matrices so that what leaves a layer has the scale of what came in; bf16. */
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

/** Sets every parameter so, in the dtype that it has. */
export function randomise(module: Module): void {
  noGrad(() => {
    for (const [name, parameter] of module.namedParameters()) {
      tidy(() => void parameter.copy_(randomParameter(name, parameter.shape)));
    }
  });
}
