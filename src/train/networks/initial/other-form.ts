/** Initial weights from a transformer of another form: of fewer blocks, or distilled to few steps. */

import { sinusoid } from '../../../models/transformer/embeddings.js';
import type { Transformer3D, TransformerConfig } from '../../../models/transformer/index.js';
import { noGrad, type Tensor, tidy, zeros } from '../../../tensor/index.js';

const BLOCK = /^transformer_blocks\.(\d+)\.(.+)$/;
/** Of the six modulation vectors, those that scale what attention and MLP add: see `AdaNorm`. */
const GATES = [2, 5];

/**
 * Is the velocity of a network part of it as it is? That of a flow map is its average over a step without
 * length, whose embedding is a constant, unless it is given the step's end in place of its length.
 */
export const hasVelocity = ({ deltatime_type }: TransformerConfig): boolean =>
  deltatime_type !== 'r';

/** What is said of a network that has none. */
export const NO_VELOCITY =
  'is a flow map that is told where a step ends and not how long it is (deltatime_type: r), so it has no velocity to train; take the pipeline that it was distilled from';

/**
 * Copies the weights of a transformer into one of as many blocks or more, which computes the same at
 * first. Further blocks are spread evenly, and each is a copy of the one before it that adds nothing yet,
 * as its gates and the output of its cross-attention are zero; they learn from the first step on. Of a flow
 * map it is the velocity that is kept, with the guidance that was distilled into it.
 *
 * Source: Wu et al. 2024, LLaMA Pro, arXiv 2401.02415, which expands blocks so
 *
 * @param from  differs in the number of blocks alone, or in being a flow map that `hasVelocity`
 */
export function copyFromOtherForm(from: Transformer3D, to: Transformer3D): void {
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
      const step = from.timeEmbedder.deltaEmbedder?.forward(sinusoid(zeros([1])));
      if (step) to.timeEmbedder.timestepEmbedder.linear2.bias!.add_(step.view([-1]));
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
