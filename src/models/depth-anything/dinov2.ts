/**
 * The DINOv2 vision transformer as a backbone: a picture becomes tokens, and the tokens after
 * selected blocks are passed on.
 * Source: Oquab et al. 2023, DINOv2, arXiv 2304.07193; transformers `Dinov2Backbone`
 */
import { ShapeError } from '../../errors.js';
import { resize } from '../../media/index.js';
import { attention } from '../../nn/attention.js';
import {
  ACTIVATIONS,
  Conv2d,
  constantParameter,
  LayerNorm,
  Linear,
  Module,
  normalParameter,
} from '../../nn/index.js';
import { cat, ops, type Tensor, tidy } from '../../tensor/index.js';
import { type Dinov2Config, numPositions, outStages } from './config.js';

/** Receives the intermediates `backbone.*`, `neck.*` and `head.*` while the model runs. */
export type DepthObserver = (name: string, value: Tensor) => void;

export class Dinov2Backbone extends Module {
  readonly embeddings: Dinov2Embeddings;
  private readonly layers: Dinov2Layer[];
  private readonly layernorm: LayerNorm;
  private readonly stages: number[];

  constructor(private readonly config: Dinov2Config) {
    super();
    this.stages = outStages(config);
    this.embeddings = this.child('embeddings', new Dinov2Embeddings(config));
    const layers = Array.from({ length: config.num_hidden_layers }, () => new Dinov2Layer(config));
    this.layers = this.childList('encoder.layer', layers);
    this.layernorm = this.child('layernorm', layerNorm(config));
  }

  /**
   * @param pixelValues  [B, 3, H, W]
   * @returns            for every selected stage [B, 1 + h w, D] with the class token first, or
   *                     [B, D, h, w] with `reshape_hidden_states`
   */
  forward(pixelValues: Tensor, observe?: DepthObserver): Tensor[] {
    const [h, w] = this.embeddings.gridOf(pixelValues);
    let x = this.embeddings.forward(pixelValues, observe);
    const maps: Tensor[] = [];
    const last = this.stages[this.stages.length - 1]!;
    for (let stage = 0; stage <= last; stage++) {
      if (stage > 0) x = tidy(() => this.layers[stage - 1]!.forward(x));
      if (!this.stages.includes(stage)) continue;
      const tokens = this.config.apply_layernorm ? this.layernorm.forward(x) : x;
      const map = this.config.reshape_hidden_states ? patchMap(tokens, h, w) : tokens;
      observe?.(`backbone.feature_maps.${maps.length}`, map);
      maps.push(map);
    }
    return maps;
  }
}

/** Tokens [B, 1 + h w, D] → [B, D, h, w] without the class token, in channels-last memory. */
export function patchMap(tokens: Tensor, h: number, w: number): Tensor {
  const [b, l, d] = tokens.dims(3);
  return tokens
    .narrow(1, 1, l - 1)
    .reshape([b, h, w, d])
    .permute([0, 3, 1, 2]);
}

class Dinov2Embeddings extends Module {
  readonly classToken: Tensor;
  readonly maskToken: Tensor | null = null;
  readonly positions: Tensor;
  private readonly projection: Conv2d;

  constructor(private readonly config: Dinov2Config) {
    super();
    const { hidden_size: d, patch_size: patch, num_channels: channels } = config;
    this.classToken = this.param('cls_token', normalParameter([1, 1, d], 0.02), 'classToken');
    if (config.use_mask_token) {
      this.maskToken = this.param('mask_token', constantParameter([1, d], 0), 'maskToken');
    }
    const shape = [1, numPositions(config) + 1, d];
    this.positions = this.param('position_embeddings', normalParameter(shape, 0.02), 'positions');
    this.projection = this.child(
      'patch_embeddings.projection',
      new Conv2d(channels, d, patch, { stride: patch }),
    );
  }

  /** Whole patches of pictures [B, 3, H, W]; the rest at the right and bottom is dropped. */
  gridOf(pixelValues: Tensor): [height: number, width: number] {
    const { num_channels: channels, patch_size: patch } = this.config;
    const shape = pixelValues.shape;
    const [h, w] = shape.slice(2).map((side) => Math.floor(side / patch));
    if (shape.length !== 4 || shape[1] !== channels || !h || !w) {
      throw new ShapeError(
        `Dinov2Backbone: pixel values must be [B, ${channels}, H, W] with sides of at least ${patch}, got [${shape.join(', ')}]`,
      );
    }
    return [h, w];
  }

  /** [B, 3, H, W] → [B, 1 + h w, D] */
  forward(pixelValues: Tensor, observe?: DepthObserver): Tensor {
    const [b, , height, width] = pixelValues.dims(4);
    const patches = this.projection
      .forward(pixelValues.to(this.projection.weight.dtype))
      .flatten(2)
      .transpose(1, 2);
    const positions = this.positionsFor(height, width);
    observe?.('position_embeddings_used', positions);
    const tokens = cat([this.classToken.expand([b, -1, -1]), patches], 1).add(positions);
    observe?.('backbone.embeddings', tokens);
    return tokens;
  }

  /**
   * The position embeddings for a picture of `height` x `width` pixels: the trained ones if it is a
   * square with that number of patches, else the trained square map resized (bicubic, a = -0.75).
   *
   * @returns [1, 1 + h w, D]
   */
  positionsFor(height: number, width: number): Tensor {
    const { patch_size: patch } = this.config;
    const [h, w] = [Math.floor(height / patch), Math.floor(width / patch)];
    const [, l, d] = this.positions.dims(3);
    if (height === width && h * w === l - 1) return this.positions;
    const side = Math.sqrt(l - 1);
    const map = patchMap(this.positions, side, side);
    const resized = resize(map, { height: h, width: w }, { antialias: false });
    const patches = resized.permute([0, 2, 3, 1]).reshape([1, h * w, d]);
    return cat([this.positions.narrow(1, 0, 1), patches], 1);
  }
}

/** A pre-norm block; both halves are scaled channel by channel before they are added. */
class Dinov2Layer extends Module {
  private readonly norm1: LayerNorm;
  private readonly attention: Dinov2Attention;
  private readonly scale1: LayerScale;
  private readonly norm2: LayerNorm;
  private readonly mlp: FeedForward | GatedFeedForward;
  private readonly scale2: LayerScale;

  constructor(config: Dinov2Config) {
    super();
    this.norm1 = this.child('norm1', layerNorm(config));
    this.attention = this.child('attention', new Dinov2Attention(config));
    this.scale1 = this.child('layer_scale1', new LayerScale(config));
    this.norm2 = this.child('norm2', layerNorm(config));
    this.mlp = this.child(
      'mlp',
      config.use_swiglu_ffn ? new GatedFeedForward(config) : new FeedForward(config),
    );
    this.scale2 = this.child('layer_scale2', new LayerScale(config));
  }

  /** x [B, L, D] → [B, L, D] */
  forward(x: Tensor): Tensor {
    const attended = this.scale1.add(x, this.attention.forward(this.norm1.forward(x)));
    return this.scale2.add(attended, this.mlp.forward(this.norm2.forward(attended)));
  }
}

class Dinov2Attention extends Module {
  private readonly query: Linear;
  private readonly key: Linear;
  private readonly value: Linear;
  private readonly dense: Linear;
  private readonly heads: number;

  constructor({ hidden_size: d, num_attention_heads: heads, qkv_bias: bias }: Dinov2Config) {
    super();
    this.heads = heads;
    this.query = this.child('attention.query', new Linear(d, d, { bias }));
    this.key = this.child('attention.key', new Linear(d, d, { bias }));
    this.value = this.child('attention.value', new Linear(d, d, { bias }));
    this.dense = this.child('output.dense', new Linear(d, d));
  }

  forward(x: Tensor): Tensor {
    const [b, l, d] = x.dims(3);
    const split = (y: Tensor) => y.view([b, l, this.heads, -1]).transpose(1, 2); // [B, N, L, K]
    const [q, k, v] = [this.query, this.key, this.value].map((to) => split(to.forward(x)));
    return this.dense.forward(attention(q!, k!, v!).transpose(1, 2).reshape([b, l, d]));
  }
}

class FeedForward extends Module {
  private readonly fc1: Linear;
  private readonly fc2: Linear;
  private readonly activate: (x: Tensor) => Tensor;

  constructor({ hidden_size: d, mlp_ratio: ratio, hidden_act: activation }: Dinov2Config) {
    super();
    const inner = Math.trunc(d * ratio);
    this.fc1 = this.child('fc1', new Linear(d, inner));
    this.fc2 = this.child('fc2', new Linear(inner, d));
    this.activate = ACTIVATIONS[activation];
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.activate(this.fc1.forward(x)));
  }
}

/** The inner width of SwiGLU: two thirds of the plain one, rounded up to a multiple of 8. */
export const gatedWidth = ({ hidden_size: d, mlp_ratio: ratio }: Dinov2Config): number =>
  Math.ceil(Math.trunc((Math.trunc(d * ratio) * 2) / 3) / 8) * 8;

/** SwiGLU. Source: Shazeer 2020, arXiv 2002.05202 */
class GatedFeedForward extends Module {
  private readonly weightsIn: Linear;
  private readonly weightsOut: Linear;

  constructor(config: Dinov2Config) {
    super();
    const { hidden_size: d } = config;
    const inner = gatedWidth(config);
    this.weightsIn = this.child('weights_in', new Linear(d, 2 * inner));
    this.weightsOut = this.child('weights_out', new Linear(inner, d));
  }

  forward(x: Tensor): Tensor {
    const [gate, value] = this.weightsIn.forward(x).chunk(2, -1);
    return this.weightsOut.forward(gate!.silu().mul(value!));
  }
}

class LayerScale extends Module {
  readonly lambda: Tensor;

  constructor({ hidden_size: d, layerscale_value: value }: Dinov2Config) {
    super();
    this.lambda = this.param('lambda1', constantParameter([d], value), 'lambda');
  }

  /** x + λ y */
  add(x: Tensor, y: Tensor): Tensor {
    return ops.addcmul(x, y, this.lambda);
  }
}

const layerNorm = ({ hidden_size, layer_norm_eps: eps }: Dinov2Config) =>
  new LayerNorm(hidden_size, { eps });
