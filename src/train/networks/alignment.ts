/**
 * Alignment of a middle block: a small network predicts from the tokens after it what is to be seen,
 * which teaches the first blocks early. It is trained with the transformer, is part of the
 * checkpoints, and is not part of the finished pipeline.
 *
 * Source: Wang et al. 2026, SRA 2, arXiv 2601.17830: a smooth L1 loss on the autoencoder's clean
 * latents, whatever the noise level; the labels of scenes in their place are ours
 */
import { type Probe, patchify, type Transformer3D } from '../../models/transformer/index.js';
import { Linear, Module } from '../../nn/index.js';
import {
  arange,
  cat,
  fromArray,
  manualSeed,
  type Tensor,
  tensor,
  upload,
  uploadAll,
} from '../../tensor/index.js';
import type { TrainSample } from '../feed/batch.js';
import type { PipelineRecipe } from '../recipe/config.js';
import { type Alignment, alignedTo, headLayers, SCENE_CHANNELS } from '../recipe/levers-config.js';
import { stagesOf } from '../recipe/stages.js';

/** Below this difference the loss is quadratic, above it linear. Source: as above */
const BETA = 0.05;

/** What the tokens are to be known by. */
interface Goal {
  /** [B, L, C] */
  values: Tensor;
  /** of which samples that is known */
  known: boolean[];
}

export class AlignmentHead extends Module {
  private readonly layers: Linear[];
  private readonly patchSize: number;

  constructor(
    { width, config }: Pick<Transformer3D, 'width' | 'config'>,
    private readonly to: Alignment['to'],
  ) {
    super();
    this.patchSize = config.patch_size;
    const layers = headLayers(to, { ...config, width }).map(([i, o]) => new Linear(i, o));
    this.layers = this.childList('layers', layers);
  }

  /** hiddenStates [B, l, D] → [B, l, C], what each token is to be known by */
  forward(hiddenStates: Tensor): Tensor {
    return this.layers.reduce((x, layer, i) => layer.forward(i === 0 ? x : x.silu()), hiddenStates);
  }

  /**
   * What a forward pass needs to read the tokens after `block`; after the pass, the loss of each
   * sample, [B], which is 0 of those of which nothing is known.
   */
  reading(
    block: number,
    samples: readonly TrainSample[],
  ): { probe: Probe; known: boolean[]; losses(): Tensor } {
    let read: { values: Tensor; places: Tensor | null } | null = null;
    const head = (hiddenStates: Tensor) => this.forward(hiddenStates);
    const receive = (values: Tensor, places: Tensor | null) => {
      read = { values, places };
    };
    const { values: goal, known } = this.goal(samples);
    return {
      probe: { block, head, receive },
      known,
      losses: () => {
        const { values, places } = read!;
        const losses = alignmentLosses(values, places ? rowsAt(goal, places) : goal);
        if (known.every(Boolean)) return losses;
        return losses.mul(tensor(known.map(Number), { device: losses.device }));
      },
    };
  }

  private goal(samples: readonly TrainSample[]): Goal {
    const { device } = this;
    const latents = uploadAll(
      samples.map((sample) => sample.latents),
      device,
    );
    const patches = patchify(latents, this.patchSize);
    if (this.to === 'latents') return { values: patches, known: samples.map(() => true) };
    const shape = [1, patches.size(1), SCENE_CHANNELS];
    const nothing = new Float32Array(patches.size(1) * SCENE_CHANNELS);
    return {
      values: upload(cat(samples.map(({ labels }) => fromArray(labels ?? nothing, shape))), device),
      known: samples.map(({ labels }) => Boolean(labels)),
    };
  }
}

/** The head of a recipe that aligns a block in any stage; null if none does. */
export function alignmentHead(
  recipe: PipelineRecipe,
  transformer: Transformer3D,
): AlignmentHead | null {
  const to = alignedTo(stagesOf(recipe));
  if (!to) return null;
  manualSeed(recipe.seed);
  return new AlignmentHead(transformer, to).moveTo(transformer.device, transformer.dtype);
}

/** Mean smooth L1 difference of each item, in float32. [B, …] → [B] */
function alignmentLosses(prediction: Tensor, goal: Tensor): Tensor {
  const each = prediction.to('float32').smoothL1Loss(goal.to('float32'), NO_REDUCTION, BETA);
  return each.flatten(1).mean([1]);
}

const NO_REDUCTION = 0;

/** x [B, L, C], places [B, n] → [B, n, C] */
function rowsAt(x: Tensor, places: Tensor): Tensor {
  const [b, l, c] = x.dims(3);
  const rows = places
    .add(arange(0, b * l, l, { dtype: 'int64', device: x.device }).view([b, 1]))
    .flatten();
  return x
    .flatten(0, 1)
    .indexSelect(0, rows)
    .view([b, places.size(1), c]);
}
