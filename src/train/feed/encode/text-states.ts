/** The states of prompts by a frozen text encoder, computed once and cached on the disk. */
import { type DataStore, keyOf } from '../../../data/store.js';
import type { TokenizerFiles } from '../../../models/t5/index.js';
import type { EncodedPrompts, Pipeline } from '../../../pipeline/index.js';
import { cat, fromArray, noGrad, type Tensor, tidy, upload, zeros } from '../../../tensor/index.js';
import { hashOfWeights } from '../index.js';

/** Scenes without end have captions without end: a process stores at most this many bytes of states. */
const MOST_STORED = 2 ** 31;

/** Encodes prompts as `Pipeline.encodePrompts` does. */
export type EncodeText = (prompts: string[]) => EncodedPrompts;

/**
 * Gives the same states as the pipeline, from the store if it holds them. The key of an entry is
 * the prompt and everything that its states follow from: the encoder's weights, the tokenizer, the
 * length.
 *
 * Only the states of a prompt's own tokens are stored: those of the padding are masked out.
 */
export function storedText(
  pipeline: Pipeline,
  tokenizer: TokenizerFiles,
  store: DataStore,
): EncodeText {
  const { promptLength } = pipeline.settings;
  const { textEncoder, device } = pipeline;
  const width = textEncoder.config.d_model;
  const { dtype } = textEncoder.parameters()[0]!;
  const origin = keyOf('text', hashOfWeights(textEncoder), tokenizer, promptLength, dtype);

  let room = MOST_STORED;

  // values as `Tensor.data` gives them: 16-bit floats are unsigned 16-bit integers there
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
    // one prompt at a time: the bits must not depend on what else is in a batch
    const { states, tokens: length } = noGrad(() => pipeline.encodePrompts([prompt]));
    const own = states.select(0, 0).narrow(0, 0, length).to('cpu').contiguous();
    const { buffer, byteOffset, byteLength } = own.data();
    room -= byteLength;
    if (room >= 0) store.put(key, new Uint8Array(buffer, byteOffset, byteLength).slice());
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
        states: upload(cat(padded), device),
        mask: upload(fromArray(mask, [prompts.length, promptLength]), device),
        tokens: Math.max(...rows.map(({ length }) => length)),
      };
    });
}
