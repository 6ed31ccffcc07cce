/**
 * Gradients of a step's micro-batches, summed in float32. Autograd sums in the parameter's dtype, and a
 * sum of many gradients in 16 bits loses the small ones. Gradients that are float32 anyway stay with
 * autograd.
 */
import { noGrad, type Tensor, tidy } from '../tensor/index.js';

export class WideSums {
  private readonly sums = new Map<number, Tensor>();

  constructor(private readonly parameters: readonly Tensor[]) {}

  get isEmpty(): boolean {
    return this.sums.size === 0;
  }

  /** Moves the gradients of all parameters here. */
  addAll(): void {
    for (const index of this.parameters.keys()) this.add(index);
  }

  /** Moves the gradient of a parameter here, if it has one in 16 bits. */
  add(index: number): void {
    const parameter = this.parameters[index]!;
    if (parameter.dtype === 'float32') return;
    noGrad(() =>
      tidy(() => {
        const { grad } = parameter;
        if (!grad) return;
        const sum = this.sums.get(index);
        if (sum) sum.add_(grad);
        else this.sums.set(index, grad.to('float32').keep());
        parameter.grad = null;
      }),
    );
  }

  has(index: number): boolean {
    return this.sums.has(index);
  }

  get(index: number): Tensor | undefined {
    return this.sums.get(index);
  }

  /** Frees the sum of a parameter, if there is one. */
  drop(index: number): void {
    this.sums.get(index)?.dispose();
    this.sums.delete(index);
  }

  clear(): void {
    for (const index of [...this.sums.keys()]) this.drop(index);
  }
}
