/** Checks that a checkpoint's weights are those that a recipe trains. */
import { InputError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';

/**
 * @param found      the weights of a checkpoint, by name
 * @param expected   the trained parameters, by name
 * @param where      the checkpoint's folder
 * @throws InputError naming a weight that only one of them has, or whose shapes differ
 */
export function expectTensors(
  found: Readonly<Record<string, Tensor>> | undefined,
  expected: ReadonlyMap<string, Tensor>,
  where: string,
): void {
  const problem = firstDifference(found ?? {}, expected);
  if (!problem) return;
  throw new InputError(
    `${where}: ${problem}; a run keeps training the weights that it began with (train, freeze, lora, alignment, sizes); start another with \`run: FOLDER\``,
  );
}

function firstDifference(
  found: Readonly<Record<string, Tensor>>,
  expected: ReadonlyMap<string, Tensor>,
): string | null {
  for (const [name, { shape }] of expected) {
    const own = found[name];
    if (!own) return `has no ${name}, which the recipe trains`;
    if (String(own.shape) !== String(shape)) {
      return `${name} must be [${shape.join(', ')}] as the recipe has it, got [${own.shape.join(', ')}]`;
    }
  }
  const further = Object.keys(found).find((name) => !expected.has(name));
  return further ? `has ${further}, which the recipe does not train` : null;
}
