/**
 * The T5 encoder: token ids become hidden states. Pre-norm blocks with RMS norm; attention without
 * scaling, and with a learned bias for relative positions that all blocks share.
 * Source: Raffel et al. 2020, T5, arXiv 1910.10683; transformers `T5EncoderModel`
 */
import { ShapeError } from '../../errors.js';
import { ACTIVATIONS, Embedding, Linear, Module, RMSNorm } from '../../nn/index.js';
import { arange, noGrad, type Tensor, tidy } from '../../tensor/index.js';
import { feedForward, type T5Config } from './config.js';
import { relativePositionBucket } from './position.js';

/** Receives `position_bias`, `hidden_states.N` and `attentions.N` while the encoder runs. */
export type T5Observer = (name: string, value: Tensor) => void;

// the lowest finite value of each dtype: rounding float32's to bfloat16 would give −∞, and rows in
// which every key is masked would become NaN
const LOWEST: Record<string, number> = {
  float32: -3.4028234663852886e38,
  float64: -Number.MAX_VALUE,
  bfloat16: -3.3895313892515355e38,
  float16: -65504,
};

export class T5Encoder extends Module {
  readonly shared: Embedding;
  private readonly stack: T5Stack;

  constructor(readonly config: T5Config) {
    super();
    this.shared = this.child('shared', new Embedding(config.vocab_size, config.d_model));
    this.stack = this.child('encoder', new T5Stack(config));
  }

  /**
   * @param inputIds       int64 [B, L]
   * @param attentionMask  [B, L], 1 = attend, 0 = padding; only keys are masked
   * @returns              hidden states [B, L, D]
   */
  forward(inputIds: Tensor, attentionMask: Tensor | null = null, observe?: T5Observer): Tensor {
    const { shape } = inputIds;
    if (shape.length !== 2) {
      throw new ShapeError(`T5Encoder: input ids must be [B, L], got [${shape.join(', ')}]`);
    }
    if (attentionMask && attentionMask.shape.join() !== shape.join()) {
      throw new ShapeError(
        `T5Encoder: the mask must be [${shape.join(', ')}] like the ids, got [${attentionMask.shape.join(', ')}]`,
      );
    }
    return this.stack.forward(this.shared.forward(inputIds), attentionMask, observe);
  }

  /** Also accepts the embedding under its other name, and ignores the decoder of a full T5. */
  override loadStateDict(...[source, options]: Parameters<Module['loadStateDict']>): void {
    const prefix = options?.prefix ?? '';
    tidy(() => super.loadStateDict(encoderWeights(source, prefix), { ...options, prefix: '' }));
  }

  /**
   * Sets every parameter for training from scratch, with the published scales, so that attention
   * logits and layer outputs start at about unit variance without any scaling in the network.
   */
  initialise(): this {
    const { d_model: d, d_kv: k, d_ff: ff, num_heads: heads, initializer_factor: f } = this.config;
    noGrad(() => {
      this.shared.weight.normal_(0, f);
      for (const { attention, feedForward: mlp } of this.stack.blocks) {
        attention.q.weight.normal_(0, f * (d * k) ** -0.5);
        attention.k.weight.normal_(0, f * d ** -0.5);
        attention.v.weight.normal_(0, f * d ** -0.5);
        attention.o.weight.normal_(0, f * (heads * k) ** -0.5);
        attention.relativeBias?.weight.normal_(0, f * d ** -0.5);
        for (const wi of mlp.inputs) wi.weight.normal_(0, f * d ** -0.5);
        mlp.wo.weight.normal_(0, f * ff ** -0.5);
      }
    });
    return this;
  }
}

class T5Stack extends Module {
  readonly blocks: T5Block[];
  private readonly finalNorm: RMSNorm;

  constructor(private readonly config: T5Config) {
    super();
    const blocks = Array.from({ length: config.num_layers }, (_, i) => new T5Block(config, i));
    this.blocks = this.childList('block', blocks);
    this.finalNorm = this.child(
      'final_layer_norm',
      new RMSNorm(config.d_model, { eps: config.layer_norm_epsilon }),
    );
  }

  forward(embedded: Tensor, attentionMask: Tensor | null, observe?: T5Observer): Tensor {
    const positionBias = this.positionBias(embedded.size(1)); // [1, N, L, L]
    observe?.('position_bias', positionBias);
    const bias = attentionMask ? positionBias.add(maskBias(attentionMask, embedded)) : positionBias;

    let x = embedded;
    observe?.('hidden_states.0', x);
    for (const [i, block] of this.blocks.entries()) {
      x = block.forward(x, bias, observe && ((weights) => observe(`attentions.${i}`, weights)));
      // the last hidden state is reported after the final norm
      if (i < this.blocks.length - 1) observe?.(`hidden_states.${i + 1}`, x);
    }
    x = this.finalNorm.forward(x);
    observe?.(`hidden_states.${this.blocks.length}`, x);
    return x;
  }

  /** The first block's bias for every pair of tokens, [1, N, L, L]; all blocks use it. */
  private positionBias(length: number): Tensor {
    const { relativeBias } = this.blocks[0].attention;
    if (!relativeBias) throw new TypeError('T5Stack: the first block owns the position bias');
    const {
      relative_attention_num_buckets: numBuckets,
      relative_attention_max_distance: maxDistance,
    } = this.config;
    const positions = arange(0, length, 1, { device: relativeBias.weight.device });
    const relative = positions.unsqueeze(0).sub(positions.unsqueeze(1)); // key − query
    const buckets = relativePositionBucket(relative, { numBuckets, maxDistance });
    return relativeBias.forward(buckets).permute([2, 0, 1]).unsqueeze(0);
  }
}

class T5Block extends Module {
  readonly attention: T5Attention;
  readonly feedForward: T5FeedForward;
  private readonly norms: RMSNorm[];

  constructor(config: T5Config, index: number) {
    super();
    this.attention = new T5Attention(config, index === 0);
    this.feedForward = new T5FeedForward(config);
    const eps = config.layer_norm_epsilon;
    this.norms = [new RMSNorm(config.d_model, { eps }), new RMSNorm(config.d_model, { eps })];
    this.childList('layer', [
      new T5Layer('SelfAttention', this.attention, this.norms[0]),
      new T5Layer('DenseReluDense', this.feedForward, this.norms[1]),
    ]);
  }

  /** x [B, L, D], bias [1 or B, N, L, L] → [B, L, D] */
  forward(x: Tensor, bias: Tensor, observe?: (weights: Tensor) => void): Tensor {
    const attended = x.add(this.attention.forward(this.norms[0].forward(x), bias, observe));
    return attended.add(this.feedForward.forward(this.norms[1].forward(attended)));
  }
}

/** A sublayer and its norm, under their published names. */
class T5Layer extends Module {
  constructor(name: string, sublayer: Module, norm: RMSNorm) {
    super();
    this.child(name, sublayer);
    this.child('layer_norm', norm);
  }
}

class T5Attention extends Module {
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  readonly relativeBias: Embedding | null;
  private readonly heads: number;

  constructor(config: T5Config, ownsBias: boolean) {
    super();
    const { d_model: width, d_kv: headWidth, num_heads: heads } = config;
    this.heads = heads;
    const linear = (name: string, from: number, to: number) =>
      this.child(name, new Linear(from, to, { bias: false }));
    this.q = linear('q', width, heads * headWidth);
    this.k = linear('k', width, heads * headWidth);
    this.v = linear('v', width, heads * headWidth);
    this.o = linear('o', heads * headWidth, width);
    this.relativeBias = ownsBias
      ? this.child(
          'relative_attention_bias',
          new Embedding(config.relative_attention_num_buckets, heads),
        )
      : null;
  }

  forward(x: Tensor, bias: Tensor, observe?: (weights: Tensor) => void): Tensor {
    const [b, l] = x.dims(3);
    const split = (y: Tensor) => y.view([b, l, this.heads, -1]).transpose(1, 2); // [B, N, L, K]
    const q = split(this.q.forward(x));
    const k = split(this.k.forward(x));
    const v = split(this.v.forward(x));
    const scores = q.matmul(k.transpose(-2, -1)).add(bias); // no 1/√K
    const weights = scores.softmax(-1, 'float32').to(x.dtype);
    observe?.(weights);
    return this.o.forward(weights.matmul(v).transpose(1, 2).reshape([b, l, -1]));
  }
}

class T5FeedForward extends Module {
  /** one projection, or the activated one and the gate */
  readonly inputs: Linear[];
  readonly wo: Linear;
  private readonly activate: (x: Tensor) => Tensor;

  constructor(config: T5Config) {
    super();
    const { activation, gated } = feedForward(config);
    const names = gated ? ['wi_0', 'wi_1'] : ['wi'];
    this.inputs = names.map((name) =>
      this.child(name, new Linear(config.d_model, config.d_ff, { bias: false })),
    );
    this.wo = this.child('wo', new Linear(config.d_ff, config.d_model, { bias: false }));
    this.activate = ACTIVATIONS[activation];
  }

  forward(x: Tensor): Tensor {
    const [wi, gate] = this.inputs;
    const y = this.activate(wi.forward(x));
    return this.wo.forward(gate ? y.mul(gate.forward(x)) : y);
  }
}

/** mask [B, L] → bias of the logits, [B, 1, 1, L]: 0, or the lowest finite value of the dtype */
function maskBias(mask: Tensor, { dtype }: Tensor): Tensor {
  const [b, l] = mask.dims(2);
  return mask.to('float32').neg().add(1).mul(LOWEST[dtype]).to(dtype).view([b, 1, 1, l]);
}

type StateSource = Parameters<Module['loadStateDict']>[0];

/** The encoder's part of a checkpoint, with `prefix` cut off and the embedding under one name. */
function encoderWeights(source: StateSource, prefix: string): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const [full, get] of entries(source)) {
    if (!full.startsWith(prefix)) continue;
    const name = full.slice(prefix.length);
    if (name.startsWith('decoder.') || name === 'lm_head.weight') continue;
    if (name === 'encoder.embed_tokens.weight') {
      if (!weights.has('shared.weight')) weights.set('shared.weight', get());
    } else {
      weights.set(name, get());
    }
  }
  return weights;
}

function* entries(source: StateSource): Iterable<[string, () => Tensor]> {
  if (source instanceof Map) {
    for (const [name, value] of source) yield [name, () => value];
  } else if (typeof source.keys === 'function' && typeof source.get === 'function') {
    const file = source as { keys(): Iterable<string>; get(name: string): Tensor };
    for (const name of file.keys()) yield [name, () => file.get(name)];
  } else {
    for (const [name, value] of Object.entries(source)) yield [name, () => value as Tensor];
  }
}
