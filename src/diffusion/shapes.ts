import { ShapeError } from '../errors.js';
import type { Tensor } from '../tensor/index.js';

/** @throws ShapeError naming both tensors if their shapes differ */
export function expectSameShape(where: string, tensors: Record<string, Tensor>): void {
  const [[firstName, first], ...rest] = Object.entries(tensors);
  for (const [name, other] of rest) {
    if (other.shape.join() !== first.shape.join()) {
      throw new ShapeError(
        `${where}: ${firstName} and ${name} must have the same shape, got [${first.shape.join(', ')}] and [${other.shape.join(', ')}]`,
      );
    }
  }
}
