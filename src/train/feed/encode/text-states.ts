/** What a frozen text encoder makes of prompts, made once and kept on the disk. */
import { type DataStore, keyOf } from '../../../data/store.js';
import type { TokenizerFiles } from '../../../models/t5/index.js';
import type { EncodedPrompts, Pipeline } from '../../../pipeline/index.js';
import { cat, fromArray, noGrad, type Tensor, tidy, zeros } from '../../../tensor/index.js';
import { hashOfWeights } from '../index.js';

/** As `Pipeline.encodePrompts` does. */
export type EncodeText = (prompts: string[]) => EncodedPrompts;

/**
 * The same as the pipeline's, from the store where it holds them. Kept by the prompt and by what
 * the states follow from: the encoder's weights, the tokenizer, the length.
 *
 * Of a prompt only the states of its own tokens are kept: those of the padding are masked out.
 */
export function storedText(
  pipeline: Pipeline,
  tokenizer: TokenizerFiles,
  store: DataStore,
): EncodeText {
  const { promptLength } = pipeline.settings;
  const { textEncoder } = pipeline;
  const width = textEncoder.config.d_model;
  const { dtype } = textEncoder.parameters()[0]!;
  const origin = keyOf('text', hashOfWeights(textEncoder), tokenizer, promptLength, dtype);

  // as `Tensor.data` has the values: 16-bit floats are plain 16 bits there
  const typedArray = ({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>) =>
    dtype === 'float32'
      ? new Float32Array(buffer, byteOffset, byteLength / 4)
      : new Uint16Array(buffer, byteOffset, byteLength / 2);

  function statesOf(prompt: string): { states: Tensor; length: number } {
    const key = keyOf(origin, prompt);
    const stored = store.get(key);
    if (stored) {
      const values = typedArray(stored);
      const length = values.length / width;
      return { states: fromArray(values, [length, width], dtype), length };
    }
    // one at a time: the bits must not depend on what else is in a batch
    const { states, mask } = noGrad(() => pipeline.encodePrompts([prompt]));
    const length = mask.sum().item();
    const own = states.select(0, 0).narrow(0, 0, length).contiguous();
    const { buffer, byteOffset, byteLength } = own.data();
    store.put(key, new Uint8Array(buffer, byteOffset, byteLength).slice());
    return { states: own, length };
  }

  return (prompts) =>
    tidy(() => {
      const rows = prompts.map(statesOf);
      const padded = rows.map(({ states, length }) =>
        cat([states, zeros([promptLength - length, width], { dtype })]).unsqueeze(0),
      );
      const mask = new BigInt64Array(prompts.length * promptLength);
      rows.forEach(({ length }, i) => {
        mask.fill(1n, i * promptLength, i * promptLength + length);
      });
      return {
        states: cat(padded),
        mask: fromArray(mask, [prompts.length, promptLength]),
        tokens: Math.max(...rows.map(({ length }) => length)),
      };
    });
}
