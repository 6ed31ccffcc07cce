/**
 * The MfM diffusion transformer: from latents, a time, a text and a condition it predicts a
 * velocity. Parameter names are the reference implementation's.
 *
 * Inputs that stay the same over the sampling steps are prepared once: `prepareCondition`,
 * `prepareText` and `prepareRope` return arguments of `forward`. `predict` does it all from raw
 * inputs.
 */
import { InputError, ShapeError } from '../../errors.js';
import { modulate, type RopeTable } from '../../nn/fused.js';
import { Linear, Module } from '../../nn/index.js';
import { cat, type DType, isGradEnabled, type Tensor, tidy } from '../../tensor/index.js';
import { ConditionAdapter } from './adapter.js';
import { type BlockInputs, type KeysValues, TransformerBlock } from './block.js';
import { conditionChannels, type TransformerConfig } from './config.js';
import { PatchEmbed, TimeEmbedder, unpatchify } from './embeddings.js';
import { blockName } from './parameters.js';
import { ropeEmbedding, ropeTable, type TokenGrid } from './rope.js';
import { mapRope, Routing, type TokenRoute, type TokenSpan } from './routing.js';
import type { Sequence } from './sequence.js';
import type { StepCache } from './step-cache.js';

/** The epsilon of the last norm. Source: reference implementation */
const NORM_EPS = 1e-6;
/** Added to scores of padded tokens: finite, so that even a text of padding alone has a softmax. */
const MASKED = -10_000;

/** A batch's text, projected for every block. */
export interface PreparedText {
  blocks: KeysValues[];
  /** [B, 1, 1, S] */
  bias: Tensor | null;
}

export interface ForwardInputs {
  /** [B], 0 to 1000 */
  timesteps: Tensor;
  /**
   * [B], 0 to 1000: where the steps end, if the model is a flow map, which then predicts the average
   * velocity until there; default: where they begin, for the velocity there
   */
  endTimesteps?: Tensor | null;
  /** [B]; needed by models with a motion score */
  motionScores?: Tensor | null;
  text: PreparedText;
  /** [B, L, D], from `prepareCondition` */
  condition: Tensor;
  /** from `prepareRope`; null only in a model without rotary embedding */
  rope: RopeTable | null;
  /** kept from step to step; see `StepCache` */
  stepCache?: StepCache | null;
  /** the processes that share the tokens; all pass the same inputs and get the same output */
  sequence?: Sequence | null;
  /** in training: tokens that skip some blocks */
  route?: TokenRoute | null;
  /** reads the tokens after a block */
  probe?: Probe | null;
  /** receives intermediates under the names of the reference fixtures */
  trace?: Map<string, Tensor>;
  /** runs one block, e.g. `checkpoint` from the tensor layer */
  wrapBlock?: WrapBlock;
}

/** Reads the tokens after a block, for a loss of its own. */
export interface Probe {
  /** index of the block */
  block: number;
  /** applied to this process's tokens, [B, l, D] → [B, l, C] */
  head(hiddenStates: Tensor): Tensor;
  /**
   * @param values   [B, n, C], the head's output for the tokens of all processes that the block saw
   * @param places   [B, n] int64, their places in the sample; null: all tokens in order
   */
  receive(values: Tensor, places: Tensor | null): void;
}

export type WrapBlock = (run: (...inputs: Tensor[]) => Tensor, ...inputs: Tensor[]) => Tensor;

/** Inputs before preparation; see the methods that prepare each part. */
export interface RawInputs {
  timesteps: Tensor;
  endTimesteps?: Tensor | null;
  motionScores?: Tensor | null;
  /** [B, S, text width] */
  text: Tensor;
  textMask?: Tensor | null;
  /** [B, 3 or 4, F, H, W]: pixels and, if the model uses it, depth */
  pixels: Tensor;
  /** [B, 1, F, H, W]; null if `pixels` already ends with it */
  mask?: Tensor | null;
  /** explicit rotary table, [L, K, 2] or [B, L, K, 2] */
  ropeEmbedding?: Tensor | null;
  sequence?: Sequence | null;
  route?: TokenRoute | null;
  probe?: Probe | null;
  trace?: Map<string, Tensor>;
  wrapBlock?: WrapBlock;
}

export class Transformer3D extends Module {
  readonly condConv: ConditionAdapter;
  readonly posEmbed: PatchEmbed;
  readonly timeEmbedder: TimeEmbedder;
  readonly blocks: TransformerBlock[];
  readonly projOut1: Linear;
  readonly projOut2: Linear;
  /** the width D: heads times head width */
  readonly width: number;

  constructor(readonly config: TransformerConfig) {
    super();
    const { patch_size: patch, num_attention_heads: numHeads, cross_attention_dim } = config;
    this.width = numHeads * config.attention_head_dim;
    const width = this.width;
    const outChannels = config.out_channels ?? config.in_channels;
    const textWidths =
      typeof cross_attention_dim === 'number' ? [cross_attention_dim] : cross_attention_dim;

    this.condConv = this.child(
      'cond_conv',
      new ConditionAdapter(conditionChannels(config), width, config.cond_block_out_channels),
    );
    this.posEmbed = this.child('pos_embed', new PatchEmbed(config.in_channels, width, patch));
    this.timeEmbedder = this.child(
      'time_embedder',
      new TimeEmbedder(width, {
        motionScore: config.add_motion_score,
        deltaType: config.deltatime_type,
      }),
    );
    this.blocks = Array.from({ length: config.num_layers }, (_, i) =>
      this.child(
        blockName(i, config),
        new TransformerBlock({
          width,
          numHeads,
          textWidth: textWidths[i % textWidths.length],
          bias: config.attention_bias,
          adaNorm: config.adaln_norm_type === 'rmsnorm' ? 'rmsnorm' : 'layernorm',
          upcastAttention: config.upcast_attention,
        }),
      ),
    );
    this.projOut1 = this.child('proj_out_1', new Linear(width, 2 * width));
    this.projOut2 = this.child('proj_out_2', new Linear(width, patch * patch * outChannels));
  }

  /** The dtype of the matrix products. */
  get dtype(): DType {
    return this.projOut2.weight.dtype;
  }

  /**
   * Runs the adapter; its output is added to the patch embedding.
   *
   * @param pixels   [B, 3 or 4, F, H, W], -1 to 1, zero where unknown; depth fourth
   * @param mask     [B, 1, F, H, W], 1 = known; null if it is the last channel of `pixels`
   * @returns        [B, L, D]
   * @throws ShapeError if the number of channels is not the model's
   */
  prepareCondition(
    pixels: Tensor,
    mask: Tensor | null = null,
    trace?: Map<string, Tensor>,
  ): Tensor {
    const condition = mask ? cat([pixels, mask.to(pixels.dtype)], 1) : pixels;
    const channels = conditionChannels(this.config);
    if (condition.ndim !== 5 || condition.size(1) !== channels) {
      throw new ShapeError(
        `Transformer3D.prepareCondition: pixels and mask must be [B, ${channels}, F, H, W] together, got [${condition.shape.join(', ')}]`,
      );
    }
    const adapted = this.condConv.forward(condition); // [B, D, F', H', W']
    trace?.set('adapter', adapted);
    return adapted.flatten(2).transpose(1, 2);
  }

  /**
   * Keys and values of the text for every block. Masked tokens cost as much as others, and have no
   * effect in a row that has unmasked ones: cut off columns that are padding in all rows.
   *
   * @param hiddenStates   [B, S, text width], the text encoder's output
   * @param mask           [B, S], 1 = keep; or [B, 1, S], added to the scores
   */
  prepareText(hiddenStates: Tensor, mask: Tensor | null = null): PreparedText {
    const text = hiddenStates.to(this.dtype);
    return {
      blocks: this.blocks.map((block) => block.attn2.keysValues(text, null)),
      bias: mask && scoreBias(mask),
    };
  }

  /**
   * The rotary table for latents [B, C, F, H, W]; null in a model without rotary embedding.
   *
   * @param embedding   [L, K, 2] or [B, L, K, 2], to use in place of the one for the grid
   */
  prepareRope(
    latents: Tensor,
    embedding: Tensor | null = null,
    trace?: Map<string, Tensor>,
  ): RopeTable | null {
    const { use_rope, attention_head_dim } = this.config;
    if (!use_rope) return null;
    const { device } = latents;
    const table = embedding ?? ropeEmbedding(this.tokenGrid(latents), attention_head_dim, device);
    if (trace) {
      const first = table.ndim === 4 ? table.select(0, 0) : table;
      trace.set('rope_cos', first.select(-1, 0));
      trace.set('rope_sin', first.select(-1, 1));
    }
    return ropeTable(table.to(device));
  }

  /** The token grid of latents [B, C, F, H, W]: frames, rows, columns. */
  tokenGrid(latents: Tensor): TokenGrid {
    const [, , frames, height, width] = latents.dims(5);
    const { patch_size: patch } = this.config;
    return [frames, Math.floor(height / patch), Math.floor(width / patch)];
  }

  /**
   * @param latents   [B, C, F, H, W]
   * @returns         [B, out channels, F, H, W], the velocity, in the model's dtype
   * @throws ShapeError if the condition is for another number of tokens
   */
  forward(latents: Tensor, inputs: ForwardInputs): Tensor {
    const { timesteps, endTimesteps = null, motionScores = null } = inputs;
    const { text, condition, trace, stepCache } = inputs;
    const { sequence, route, probe, wrapBlock = (run, ...tensors) => run(...tensors) } = inputs;
    if (this.training && this.config.dropout > 0) {
      throw new InputError(
        `Transformer3D.forward: dropout must be 0 while training, got ${this.config.dropout}; set it to 0 in config.json`,
      );
    }

    // tokens
    const patches = this.posEmbed.forward(latents); // [B, L, D]
    const [, tokens] = patches.dims(3);
    if (condition.size(1) !== tokens) {
      throw new ShapeError(
        `Transformer3D.forward: the condition must have one vector for each of ${tokens} tokens (pixels of 16 times the patch grid's height and width, and 4k + 1 frames for k + 1 latent frames), got ${condition.size(1)}`,
      );
    }
    let hiddenStates = patches.add(condition);
    const temb = this.timeEmbedder.forward(timesteps, motionScores, endTimesteps, trace);
    if (trace) {
      trace.set('patch_proj', this.asFrames(patches, latents));
      trace.set('patch_tokens', hiddenStates);
      trace.set('temb', temb);
    }

    // this process's part of the tokens
    if (stepCache && (sequence || route)) {
      const key = sequence ? 'sequence' : 'route';
      throw new InputError(
        `Transformer3D.forward: ${key} and stepCache cannot be combined: different tokens would skip different blocks`,
      );
    }
    const routing = this.routingOf(inputs);
    const parts = sequence?.parts(tokens) ?? null;
    const split = (whole: Tensor) => parts?.split(whole) ?? whole;
    const all = routing?.all ?? { rope: mapRope(inputs.rope, split), parts, places: null };
    hiddenStates = routing ? routing.arrange(hiddenStates) : split(hiddenStates);

    // blocks
    const time = temb.silu(); // [B, D]
    const runBlock = (x: Tensor, i: number, { rope, parts }: TokenSpan): Tensor => {
      const { keys, values } = text.blocks[i];
      const run = (hidden: Tensor, t: Tensor, k: Tensor, v: Tensor) => {
        const blockInputs: BlockInputs = {
          time: t,
          text: { keys: k, values: v },
          textBias: text.bias,
          rope,
          parts,
          trace: trace && ((name, value) => trace.set(`block.${i}.${name}`, value)),
        };
        return this.blocks[i].forward(hidden, blockInputs);
      };
      return wrapBlock(run as Parameters<WrapBlock>[0], x, time, keys, values);
    };
    const runBlocks = (x: Tensor, from: number, to: number, span: TokenSpan = all): Tensor => {
      let out = x;
      for (let i = from; i < to; i++) {
        const before = out;
        if (trace || isGradEnabled()) {
          out = runBlock(before, i, span);
        } else {
          // a block's tensors are freed before the next block allocates its own
          out = tidy(() => runBlock(before, i, span));
          if (before !== x) before.dispose();
        }
        if (probe?.block === i) {
          const values = probe.head(out);
          probe.receive(span.parts?.join(values) ?? values, span.places);
        }
      }
      return out;
    };
    const count = this.blocks.length;
    if (routing) {
      const { first, last } = routing.route;
      const before = runBlocks(hiddenStates, 0, first);
      const joined = routing.bypass(before, (x) => runBlocks(x, first, last + 1, routing.kept));
      hiddenStates = runBlocks(joined, last + 1, count);
    } else if (stepCache) {
      hiddenStates = stepCache.run(
        hiddenStates,
        (x) => runBlocks(x, 0, 1),
        (x) => runBlocks(x, 1, count),
      );
    } else {
      hiddenStates = runBlocks(hiddenStates, 0, count);
    }

    // output
    const modulation = this.projOut1.forward(time).to('float32'); // [B, 2 D]
    const [shift, scale] = modulation.unsqueeze(1).chunk(2, -1);
    const norm = { kind: 'layer', weight: null, eps: NORM_EPS } as const;
    const own = this.projOut2.forward(modulate(hiddenStates, norm, shift, scale));
    const joined = parts ? parts.join(own) : own;
    const out = routing ? routing.restore(joined) : joined; // [B, L, p p C]
    if (trace) {
      trace.set('proj_out_1', modulation);
      const zero = shift.mul(0);
      trace.set('norm_out', modulate(hiddenStates, norm, zero, zero));
      trace.set('proj_out_2', out);
    }
    return unpatchify(out, this.tokenGrid(latents), this.config.patch_size);
  }

  private routingOf({ route, rope, sequence = null }: ForwardInputs): Routing | null {
    if (!route) return null;
    const { first, last } = route;
    const count = this.blocks.length;
    if (first > last || last >= count) {
      throw new InputError(
        `Transformer3D.forward: route must skip blocks between 0 and ${count - 1}, got ${first} to ${last}`,
      );
    }
    return new Routing(route, { rope, sequence });
  }

  /** `forward` with every part prepared from raw inputs. */
  predict(latents: Tensor, inputs: RawInputs): Tensor {
    const { pixels, mask, text, textMask, ropeEmbedding, trace, ...rest } = inputs;
    return this.forward(latents, {
      ...rest,
      text: this.prepareText(text, textMask),
      condition: this.prepareCondition(pixels, mask, trace),
      rope: this.prepareRope(latents, ropeEmbedding, trace),
      trace,
    });
  }

  /** tokens [B, F * h * w, D] → [B * F, D, h, w], the layout of a convolution's output */
  private asFrames(tokens: Tensor, latents: Tensor): Tensor {
    const [frames, height, width] = this.tokenGrid(latents);
    return tokens
      .reshape([latents.size(0) * frames, height * width, this.width])
      .transpose(1, 2)
      .reshape([latents.size(0) * frames, this.width, height, width]);
  }
}

/** Mask [B, S] (1 = keep) → bias [B, 1, 1, S], added to the scores; [B, 1, S] is already a bias. */
function scoreBias(mask: Tensor): Tensor {
  if (mask.ndim === 3) return mask.to('float32').unsqueeze(1);
  const [b, s] = mask.dims(2);
  return mask.to('float32').mul(-1).add(1).mul(MASKED).view([b, 1, 1, s]);
}
