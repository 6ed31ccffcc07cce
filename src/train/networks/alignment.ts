/**
 * Alignment of a middle block: a small network predicts the clean latents from the tokens after it,
 * which teaches the first blocks early what is to be seen. It is trained with the transformer, is
 * part of the checkpoints, and is not part of the finished pipeline.
 *
 * Source: Wang et al. 2026, SRA 2, arXiv 2601.17830: a smooth L1 loss on the autoencoder's latents,
 * whatever the noise level
 */
import { type Probe, patchify, type Transformer3D } from '../../models/transformer/index.js';
import { Linear, Module } from '../../nn/index.js';
import { arange, manualSeed, type Tensor } from '../../tensor/index.js';
import { type PipelineRecipe, stagesOf } from '../recipe/config.js';
import { headLayers, isAligned } from '../recipe/levers-config.js';

/** Below this difference the loss is quadratic, above it linear. Source: as above */
const BETA = 0.05;

export class AlignmentHead extends Module {
  private readonly layers: Linear[];
  private readonly patchSize: number;

  constructor({ width, config }: Pick<Transformer3D, 'width' | 'config'>) {
    super();
    this.patchSize = config.patch_size;
    const channels = config.patch_size ** 2 * config.in_channels;
    const layers = headLayers(width, channels).map(([from, to]) => new Linear(from, to));
    this.layers = this.childList('layers', layers);
  }

  /** hiddenStates [B, l, D] → [B, l, C p p], the patch of each token */
  forward(hiddenStates: Tensor): Tensor {
    return this.layers.reduce((x, layer, i) => layer.forward(i === 0 ? x : x.silu()), hiddenStates);
  }

  /**
   * What a forward pass needs to read the tokens after `block`, and the losses after the pass.
   *
   * @param latents   [B, C, f, h, w], clean
   */
  reading(block: number, latents: Tensor): { probe: Probe; losses(): Tensor } {
    let read: { values: Tensor; places: Tensor | null } | null = null;
    const head = (hiddenStates: Tensor) => this.forward(hiddenStates);
    const receive = (values: Tensor, places: Tensor | null) => {
      read = { values, places };
    };
    return {
      probe: { block, head, receive },
      losses: () => {
        const { values, places } = read!;
        const patches = patchify(latents, this.patchSize);
        return alignmentLosses(values, places ? rowsAt(patches, places) : patches);
      },
    };
  }
}

/** The head of a recipe that aligns a block in any stage; null if none does. */
export function alignmentHead(
  recipe: PipelineRecipe,
  transformer: Transformer3D,
): AlignmentHead | null {
  if (!isAligned(stagesOf(recipe))) return null;
  manualSeed(recipe.seed);
  return new AlignmentHead(transformer).toDtype(transformer.dtype);
}

/** Mean smooth L1 difference of each item, in float32. [B, …] → [B] */
function alignmentLosses(prediction: Tensor, target: Tensor): Tensor {
  const each = prediction.to('float32').smoothL1Loss(target.to('float32'), NO_REDUCTION, BETA);
  return each.flatten(1).mean([1]);
}

const NO_REDUCTION = 0;

/** x [B, L, C], places [B, n] → [B, n, C] */
function rowsAt(x: Tensor, places: Tensor): Tensor {
  const [b, l, c] = x.dims(3);
  const rows = places.add(arange(0, b * l, l, { dtype: 'int64' }).view([b, 1])).flatten();
  return x
    .flatten(0, 1)
    .indexSelect(0, rows)
    .view([b, places.size(1), c]);
}
