/** A denoising step at full size: random inputs of a guidance pair, preparation, the step. */
import type { ForwardInputs, Transformer3D } from '../src/models/transformer/index.js';
import { cat, full, ones, randn, type Tensor, tidy } from '../src/tensor/index.js';

/** Rows of the batch: without and with the prompt. */
export const ROWS = 2;
/** Tokens per prompt. */
export const TEXT = 77;

export interface StepInputs {
  /** [2, 16, F, H, W] */
  latents: Tensor;
  /** [2, 5, 4 (F - 1) + 1, 8 H, 8 W]: pixels, depth, mask */
  condition: Tensor;
  /** [2, S, text width] */
  states: Tensor;
  /** [2] */
  timesteps: Tensor;
  /** [2] */
  motionScores: Tensor;
}

/** Random inputs in bfloat16, which live until `release`. */
export function stepInputs([f, h, w]: readonly number[]): StepInputs {
  const [frames, height, width] = [4 * (f! - 1) + 1, 8 * h!, 8 * w!];
  const inputs = tidy(() => ({
    latents: randn([ROWS, 16, f!, h!, w!]).to('bfloat16'),
    condition: cat(
      [
        randn([ROWS, 4, frames, height, width]).to('bfloat16'),
        ones([ROWS, 1, frames, height, width]).to('bfloat16'),
      ],
      1,
    ),
    states: randn([ROWS, TEXT, 2048]).to('bfloat16'),
    timesteps: full([ROWS], 500),
    motionScores: full([ROWS], 5),
  }));
  for (const tensor of Object.values(inputs)) (tensor as Tensor).keep();
  return inputs;
}

/** Inputs shared by all steps of a clip, as a pipeline prepares them. */
type Prepared = Pick<ForwardInputs, 'text' | 'condition' | 'rope'>;

/** Runs the adapter, and prepares the text's keys and values and the rotary table. */
export function prepare(model: Transformer3D, inputs: StepInputs): Prepared {
  const { condition, states, latents } = inputs;
  const dtype = model.projOut2.weight.dtype;
  const rows = Array.from({ length: ROWS }, (_, row) =>
    tidy(() => model.prepareCondition(condition.narrow(0, row, 1).to(dtype))),
  );
  return {
    text: model.prepareText(states),
    condition: cat(rows),
    rope: model.prepareRope(latents),
  };
}

/** The velocity, [2, 16, F, H, W]. */
export function step(model: Transformer3D, inputs: StepInputs, prepared: Prepared): Tensor {
  const { latents, timesteps, motionScores } = inputs;
  return model.forward(latents, { timesteps, motionScores, ...prepared });
}

/** Frees the results of `prepare`, or the inputs. */
export function release(value: unknown): void {
  if (value === null || typeof value !== 'object') return;
  if ('handle' in value) (value as Tensor).dispose();
  else for (const item of Object.values(value)) release(item);
}
