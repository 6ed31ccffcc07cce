/** One transformer block: adaptive norm and self-attention, cross-attention to the text, MLP. */
import { attention } from '../../nn/attention.js';
import {
  gatedAdd,
  geluTanh,
  modulate,
  type NormSpec,
  type RopeTable,
  rmsNorm,
  rmsNormRope,
} from '../../nn/fused.js';
import { Linear, lean, Module, RMSNorm } from '../../nn/index.js';
import { cat, isGradEnabled, type Tensor, tidy } from '../../tensor/index.js';
import { MLP_ROWS } from './cost.js';
import type { Attend, TokenParts } from './sequence.js';

/** The epsilon of every norm in the network. Source: reference implementation */
const NORM_EPS = 1e-6;

export interface BlockConfig {
  width: number;
  numHeads: number;
  textWidth: number;
  bias: boolean;
  adaNorm: 'layernorm' | 'rmsnorm';
  upcastAttention: boolean;
}

/** One block's text keys (normalised) and values, [B, N, S, K]; constant over sampling steps. */
export interface KeysValues {
  keys: Tensor;
  values: Tensor;
}

export interface BlockInputs {
  /** SiLU of the time embedding, [B, D] */
  time: Tensor;
  text: KeysValues;
  /** added to the cross-attention's scores, [B, 1, 1, S] */
  textBias: Tensor | null;
  rope: RopeTable | null;
  /** how the tokens are split over processes; `rope` then covers only this process's tokens */
  parts?: TokenParts | null;
  /** receives `norm1`, `attn1`, `attn2`, `ff`, `out` */
  trace?: (name: string, value: Tensor) => void;
}

export class TransformerBlock extends Module {
  readonly norm1: AdaNorm;
  readonly attn1: Attention;
  readonly norm2: RMSNorm;
  readonly attn2: Attention;
  readonly norm3: RMSNorm;
  readonly ff: FeedForward;

  constructor(config: BlockConfig) {
    super();
    const { width, textWidth } = config;
    this.norm1 = this.child('norm1', new AdaNorm(width, config.adaNorm));
    this.attn1 = this.child('attn1', new Attention(config, width));
    this.norm2 = this.child('norm2', new RMSNorm(width, { eps: NORM_EPS }));
    this.attn2 = this.child('attn2', new Attention(config, textWidth));
    this.norm3 = this.child('norm3', new RMSNorm(width, { eps: NORM_EPS }));
    this.ff = this.child('ff', new FeedForward(width));
  }

  /** hiddenStates [B, L, D] → [B, L, D] */
  forward(hiddenStates: Tensor, inputs: BlockInputs): Tensor {
    const { time, text, textBias, rope, parts, trace } = inputs;
    // each [B, 1, D], float32
    const [shift1, scale1, gate1, shift3, scale3, gate3] = this.norm1.modulation(time);

    const part = (run: () => Tensor) => (trace ? run() : lean(run));

    // self-attention
    hiddenStates = part(() => {
      const x = modulate(hiddenStates, this.norm1.spec, shift1, scale1); // [B, L, D]
      trace?.('norm1', x);
      const attended = this.attn1.forward(x, this.attn1.keysValues(x, rope), {
        rope,
        bias: null,
        parts,
      });
      trace?.('attn1', attended);
      return gatedAdd(hiddenStates, gate1, attended);
    });

    // cross-attention; like the reference, RoPE is applied to its queries but not to the text's
    // keys
    hiddenStates = part(() => {
      const x = rmsNorm(hiddenStates, this.norm2.weight, NORM_EPS);
      const attended = this.attn2.forward(x, text, { rope, bias: textBias });
      trace?.('attn2', attended);
      return hiddenStates.add(attended);
    });

    // feed-forward
    hiddenStates = part(() => {
      const spec: NormSpec = { kind: 'rms', weight: this.norm3.weight, eps: NORM_EPS };
      const x = this.ff.forward(modulate(hiddenStates, spec, shift3, scale3));
      trace?.('ff', x);
      return gatedAdd(hiddenStates, gate3, x);
    });
    trace?.('out', hiddenStates);
    return hiddenStates;
  }
}

/** adaLN-zero: six modulation vectors from the time embedding, and the norm they modulate first. */
export class AdaNorm extends Module {
  readonly linear: Linear;
  readonly norm: RMSNorm | null;
  constructor(width: number, kind: 'layernorm' | 'rmsnorm') {
    super();
    this.linear = this.child('linear', new Linear(width, 6 * width));
    this.norm =
      kind === 'rmsnorm' ? this.child('norm', new RMSNorm(width, { eps: NORM_EPS })) : null;
  }

  get spec(): NormSpec {
    return {
      kind: this.norm ? 'rms' : 'layer',
      weight: this.norm?.weight ?? null,
      eps: NORM_EPS,
    };
  }

  /** time [B, D], after SiLU → shift, scale, gate of attention, then of the MLP, [B, 1, D] each */
  modulation(time: Tensor): Tensor[] {
    return this.linear.forward(time).to('float32').unsqueeze(1).chunk(6, -1);
  }
}

/** Multi-head attention; queries and keys are RMS-normalised over the whole width, not per head. */
export class Attention extends Module {
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  readonly qNorm: RMSNorm;
  readonly kNorm: RMSNorm;
  readonly numHeads: number;
  private readonly upcast: boolean;

  /** @param sourceWidth   width of the tokens from which keys and values are projected */
  constructor({ width, numHeads, bias, upcastAttention }: BlockConfig, sourceWidth: number) {
    super();
    this.numHeads = numHeads;
    this.upcast = upcastAttention;
    this.q = this.child('q_proj', new Linear(width, width, { bias }));
    this.k = this.child('k_proj', new Linear(sourceWidth, width, { bias }));
    this.v = this.child('v_proj', new Linear(sourceWidth, width, { bias }));
    this.o = this.child('o_proj', new Linear(width, width, { bias }));
    this.qNorm = this.child('q_norm', new RMSNorm(width, { eps: NORM_EPS }));
    this.kNorm = this.child('k_norm', new RMSNorm(width, { eps: NORM_EPS }));
  }

  /** source [B, S, …] → keys and values by head; with `rope`, the keys are rotated */
  keysValues(source: Tensor, rope: RopeTable | null): KeysValues {
    const keys = this.normed(() => this.k.forward(source), this.kNorm, rope);
    const [b, , s, headDim] = keys.dims(4);
    const values = this.v.forward(source).view([b, s, this.numHeads, headDim]);
    return { keys, values: values.transpose(1, 2) };
  }

  /**
   * x [B, L, D] → [B, L, D]
   * @param parts   given if keys and values cover only this process's part of the tokens
   */
  forward(
    x: Tensor,
    { keys, values }: KeysValues,
    {
      rope,
      bias,
      parts,
    }: { rope: RopeTable | null; bias: Tensor | null; parts?: TokenParts | null },
  ): Tensor {
    const queries = this.normed(() => this.q.forward(x), this.qNorm, rope);
    const [q, k, v] = [queries, keys, values].map((t) => (this.upcast ? t.to('float32') : t));
    const attend: Attend = (...qkv) => attention(...qkv, { mask: bias });
    const mixed = parts ? parts.attention(q, k, v, attend) : attend(q, k, v); // [B, N, L, K]
    return this.o.forward(mixed.transpose(1, 2).flatten(2).to(x.dtype));
  }

  private normed(project: () => Tensor, { weight }: RMSNorm, rope: RopeTable | null): Tensor {
    const spec = { weight: weight!, eps: NORM_EPS };
    return lean(() => rmsNormRope(project(), spec, this.numHeads, rope));
  }
}

/** Linear ×4 → tanh-GELU → Linear. */
class FeedForward extends Module {
  readonly fc1: Linear;
  readonly fc2: Linear;
  constructor(width: number) {
    super();
    this.fc1 = this.child('fc1', new Linear(width, 4 * width));
    this.fc2 = this.child('fc2', new Linear(4 * width, width));
  }

  /** x [B, L, D] → [B, L, D] */
  forward(x: Tensor): Tensor {
    const apply = (rows: Tensor) => this.fc2.forward(geluTanh(this.fc1.forward(rows)));
    const [b, l, d] = x.dims(3);
    if (isGradEnabled() || b * l <= MLP_ROWS) return apply(x);
    const parts = x.view([b * l, d]).split(MLP_ROWS);
    return cat(parts.map((rows) => tidy(() => apply(rows)))).view([b, l, d]);
  }
}
