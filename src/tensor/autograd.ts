/** Gradient mode, gradients of chosen inputs, and activation checkpointing. */
import { operator, wrap, wrapUnscoped } from './dispatch.js';
import { native } from './native.js';
import { tidy } from './scope.js';
import type { Tensor } from './tensor.js';

function withGradMode<T>(on: boolean, fn: () => T): T {
  const before = native.setGradMode(on);
  try {
    return fn();
  } finally {
    native.setGradMode(before);
  }
}

/** Runs `fn` without recording operations for `backward`. */
export const noGrad = <T>(fn: () => T): T => withGradMode(false, fn);
/** Runs `fn` with operations recorded for `backward`, even inside `noGrad`. */
export const enableGrad = <T>(fn: () => T): T => withGradMode(true, fn);

/** Whether operations are currently recorded for `backward`. */
export function isGradEnabled(): boolean {
  const mode = native.setGradMode(true);
  native.setGradMode(mode);
  return mode;
}

const gradient = operator('grad');

/**
 * Gradients of `outputs` (summed, or weighted by `gradOutputs`) with respect to `inputs`.
 * @returns one gradient per input; null for an unused input, which only `allowUnused` permits
 */
export function grad(
  outputs: Tensor[],
  inputs: Tensor[],
  options: { gradOutputs?: Tensor[]; retainGraph?: boolean; allowUnused?: boolean } = {},
): (Tensor | null)[] {
  const { gradOutputs, retainGraph = false, allowUnused = false } = options;
  const handles = (tensors: Tensor[]) => tensors.map((tensor) => tensor.handle);
  return native
    .gradients(
      handles(outputs),
      handles(inputs),
      gradOutputs ? handles(gradOutputs) : null,
      retainGraph,
      allowUnused,
    )
    .map((handle) => (handle === 0 ? null : wrap(handle, gradient)));
}

const checkpointed = operator('checkpoint');

/**
 * Activation checkpointing: `fn(...inputs)` without keeping its intermediates, which are recomputed
 * during the backward pass. Gradients equal those of a plain call, including those of parameters
 * that `fn` uses. Works with a single `backward`, not with `grad`; `fn` must draw no random
 * numbers.
 *
 * Source: Chen et al. 2016, arXiv 1604.06174
 */
export function checkpoint(fn: (...inputs: Tensor[]) => Tensor, ...inputs: Tensor[]): Tensor {
  const output = tidy(() => noGrad(() => fn(...inputs)));
  // own handles: the caller's scope may end before the backward pass
  const held = inputs.map((input) => wrapUnscoped(native.alias(input.handle), checkpointed));
  const recompute = (incoming: number): number[] => {
    const gradients = tidy(() =>
      enableGrad(() => {
        const incomingGradient = wrap(incoming, gradient);
        const fresh = held.map((input) => input.detach().requiresGrad_(input.requiresGrad));
        const again = fn(...fresh);
        // false if everything in `fn` is frozen: then there is no gradient
        if (again.requiresGrad) again.backward(incomingGradient);
        return fresh.map((input) => input.grad);
      }),
    );
    for (const input of held) input.dispose();
    return gradients.map((tensor) => (tensor ? tensor.release() : 0));
  };
  return wrap(
    native.checkpoint(
      held.map((tensor) => tensor.handle),
      output.handle,
      recompute,
    ),
    checkpointed,
  );
}

/**
 * Calls `ready(i)` each time `backward` has accumulated into the gradient of `parameters[i]`:
 * during the backward pass on the CPU, at its end on other devices.
 *
 * @returns a function that removes the hooks
 * @throws OperatorError unless every parameter is a leaf that requires a gradient
 */
export function onGradient(
  parameters: readonly Tensor[],
  ready: (index: number) => void,
): () => void {
  const id = native.hookGradients(
    parameters.map(({ handle }) => handle),
    ready,
  );
  return () => native.unhookGradients(id);
}

/**
 * `forward(input)` as an operation with a gradient of its own: `backward` maps the gradient of the
 * output to the gradient of the input. Both run without recording.
 */
export function custom(
  input: Tensor,
  forward: (input: Tensor) => Tensor,
  backward: (gradient: Tensor) => Tensor,
): Tensor {
  const output = noGrad(() => forward(input));
  if (!isGradEnabled() || !input.requiresGrad) return output;
  const incoming = (handle: number): number[] => [
    tidy(() => noGrad(() => backward(wrap(handle, gradient)))).release(),
  ];
  return wrap(native.checkpoint([input.handle], output.handle, incoming), gradient);
}
