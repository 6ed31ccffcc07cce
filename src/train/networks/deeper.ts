/** Initial weights from a transformer of fewer blocks. */
import type { Transformer3D } from '../../models/transformer/index.js';
import { noGrad, type Tensor, tidy } from '../../tensor/index.js';

const BLOCK = /^transformer_blocks\.(\d+)\.(.+)$/;
/** Of the six modulation vectors, those that scale what attention and MLP add: see `AdaNorm`. */
const GATES = [2, 5];

/**
 * Copies the weights of a transformer into one of more blocks, which computes the same at first: the
 * further blocks are spread evenly, and each is a copy of the one before it that adds nothing yet, as its
 * gates and the output of its cross-attention are zero. They learn from the first step on.
 *
 * Source: Wu et al. 2024, LLaMA Pro, arXiv 2401.02415, which expands blocks so
 *
 * @param from  differs in the number of blocks alone, and has fewer
 */
export function copyIntoDeeper(from: Transformer3D, to: Transformer3D): void {
  const given = from.stateDict();
  const origin = originOf(from.config.num_layers, to.config.num_layers);
  noGrad(() =>
    tidy(() => {
      for (const [name, weight] of to.stateDict()) {
        const [, place, rest] = BLOCK.exec(name) ?? [];
        if (place === undefined) {
          weight.copy_(given.get(name)!);
          continue;
        }
        const index = Number(place);
        weight.copy_(given.get(`transformer_blocks.${origin(index)}.${rest}`)!);
        if (index > 0 && origin(index) === origin(index - 1)) silence(rest!, weight);
      }
    }),
  );
}

/** The block whose weights a block gets. */
const originOf = (fewer: number, more: number) => (index: number) =>
  Math.floor((index * fewer) / more);

/** Zeroes the part of a block's weight through which the block adds to the tokens. */
function silence(name: string, weight: Tensor): void {
  if (name.startsWith('attn2.o_proj.')) weight.zero_();
  if (!name.startsWith('norm1.linear.')) return;
  const width = weight.size(0) / 6;
  for (const gate of GATES) weight.narrow(0, gate * width, width).zero_();
}
