/** Verifies the parts of the transformer: embedders, norms, activations, rotary tables, schedules. */
import { eulerStep, SchedulerConfig, schedule } from '../../diffusion/index.js';
import { customSigmas, sigmaRange } from '../../diffusion/schedule.js';
import { InputError } from '../../errors.js';
import { ConditionAdapter } from '../../models/transformer/adapter.js';
import { AdaNorm } from '../../models/transformer/block.js';
import {
  sinusoid,
  sinusoidFrequencies,
  TimeEmbedder,
} from '../../models/transformer/embeddings.js';
import { ropeEmbedding, ropeTable } from '../../models/transformer/rope.js';
import { geluTanh, modulate, type RopeTable, rmsNorm, rmsNormRope } from '../../nn/fused.js';
import type { Module } from '../../nn/index.js';
import { noGrad, ones, ops, type Tensor, tidy, zeros } from '../../tensor/index.js';
import { groupRows, type Limit, openFixture, readSideCar, row, tensorsOf } from './fixture.js';
import type { VerifyRow } from './types.js';

/** Epsilon of every norm in the network. Source: reference implementation */
const NORM_EPS = 1e-6;

const absolute = (tolerance: number): Limit => ({ tolerance, measure: 'max abs' });
const SINUSOID = absolute(1e-4);
const TIME: Limit = { tolerance: 1e-4, measure: 'max abs / std' };
const NORM = absolute(2e-6);
const ACTIVATION = absolute(1e-6);
const TABLE = absolute(5e-7);
const ROTATED = absolute(2e-6);
const SIGMAS = absolute(2e-7);
const TIMESTEPS = absolute(2e-4);
const TRAJECTORY = absolute(2e-6);
const EXACT: Limit = { tolerance: 0, measure: 'exact' };

type Tensors = Map<string, Tensor>;
type Unit = (tensors: Tensors) => [name: string, got: Tensor | number[], limit: Limit][];

/** The computation behind each group of `micro` tensors; names are relative to the group. */
const UNITS: Record<string, Unit> = {
  time: (t) => [
    ['proj', sinusoid(take(t, 't')), SINUSOID],
    // an ulp of exp, relative to the largest frequency, which is 1
    ['freqs', sinusoidFrequencies(), absolute(1e-6)],
  ],
  temb: (t) => {
    const embedder = loaded(new TimeEmbedder(width(t), { motionScore: true }), t);
    const got = embedder.forward(take(t, 'in.timestep'), take(t, 'in.motion_score'));
    return [['out', got, TIME]];
  },
  temb_plain: (t) => {
    const embedder = loaded(new TimeEmbedder(width(t), { motionScore: false }), t);
    return [['out', embedder.forward(take(t, 'in.timestep'), null), TIME]];
  },
  rmsnorm: (t) => [['out', rmsNorm(take(t, 'in.x'), take(t, 'weight'), NORM_EPS), NORM]],
  layernorm: (t) => {
    const x = take(t, 'in.x');
    const zero = zeros([x.size(0), 1, x.size(-1)], { device: x.device });
    const spec = { kind: 'layer', weight: null, eps: NORM_EPS } as const;
    return [['out', modulate(x, spec, zero, zero), NORM]];
  },
  adaln_rms: (t) => adaNorm(t, 'rmsnorm'),
  adaln_ln: (t) => adaNorm(t, 'layernorm'),
  act: (t) => [
    ['gelu_tanh', geluTanh(take(t, 'x')), ACTIVATION],
    ['silu', take(t, 'x').silu(), ACTIVATION],
  ],
  adapter: (t) => {
    const adapter = new ConditionAdapter(1, 1, [1, 1, 1, 1, 1]);
    // the first of each pair is the size of the input, the second that of the output, which is checked
    const pairs = (name: string, output: (size: number) => number): number[] =>
      firstOfPairs(take(t, name)).flatMap((size) => [size, tidy(() => output(size))]);
    return [
      [
        'frames_in_out',
        pairs('frames_in_out', (n) => adapter.forward(zeros([1, 1, n, 16, 16])).size(2)),
        EXACT,
      ],
      [
        'size_in_out',
        pairs('size_in_out', (n) => adapter.forward(zeros([1, 1, 1, n, 16])).size(3)),
        EXACT,
      ],
    ];
  },
};

export function verifyMicro(folder: string, device: string): VerifyRow[] {
  return noGrad(() =>
    tidy(() => {
      const { file } = readSideCar<{ file: string }>(folder, 'micro.json');
      const groups = new Map<string, Tensors>();
      for (const [name, value] of tensorsOf(openFixture(folder, file, device))) {
        const [group, ...rest] = name.split('.');
        if (!groups.has(group)) groups.set(group, new Map());
        groups.get(group)!.set(rest.join('.'), value);
      }
      return [...groups].flatMap(([group, tensors]) => {
        const unit = UNITS[group];
        if (!unit) throw new InputError(`${folder}/${file}: unknown group of tensors ${group}`);
        return unit(tensors).map(([name, got, limit]) =>
          row('micro', `${group}.${name}`, got, values(take(tensors, name), limit), limit),
        );
      });
    }),
  );
}

interface RopeCase {
  name: string;
  grid_t: number;
  grid_h: number;
  grid_w: number;
  attention_head_dim: number;
}

export function verifyRope(folder: string, device: string): VerifyRow[] {
  return noGrad(() =>
    tidy(() => {
      const { cases, file } = readSideCar<{ cases: RopeCase[]; file: string }>(folder, 'rope.json');
      const tensors = tensorsOf(openFixture(folder, file, device));
      return cases.flatMap(({ name, grid_t, grid_h, grid_w, attention_head_dim }) => {
        const embedding = ropeEmbedding([grid_t, grid_h, grid_w], attention_head_dim);
        const x = take(tensors, `${name}.x`).transpose(1, 2); // [B, L, N, K]
        const rotated = rotate(x, ropeTable(embedding.to(x.device)));
        const check = (part: string, got: Tensor, limit: Limit) =>
          row('rope', `${name}.${part}`, got, take(tensors, `${name}.${part}`), limit);
        return [
          check('cos', embedding.select(-1, 0), TABLE),
          check('sin', embedding.select(-1, 1), TABLE),
          check('rotated', rotated, ROTATED),
        ];
      });
    }),
  );
}

interface SchedulerSideCar {
  file: string;
  cases: {
    name: string;
    config: Record<string, unknown>;
    call: { num_inference_steps?: number; mu?: number; sigmas?: number[] };
    sigma_min?: number;
    sigma_max?: number;
  }[];
  t_schedule?: Record<string, number[]>;
  trajectory?: { shift: number; num_inference_steps: number; velocity: string };
}

export function verifyScheduler(folder: string): VerifyRow[] {
  return noGrad(() =>
    tidy(() => {
      const sideCar = readSideCar<SchedulerSideCar>(folder, 'scheduler.json');
      const tensors = tensorsOf(openFixture(folder, sideCar.file, 'cpu'));
      const sigmas: VerifyRow[] = [];
      const timesteps: VerifyRow[] = [];
      const scheduler = (name: string, got: number[], want: Tensor | number[], limit: Limit) =>
        row('scheduler', name, got, want, limit);

      for (const { name, config, call, sigma_min, sigma_max } of sideCar.cases) {
        const parsed = SchedulerConfig.parse(config);
        const { num_inference_steps: numInferenceSteps, mu, sigmas: own } = call;
        const got = schedule(parsed, { numInferenceSteps, mu, sigmas: own });
        const wanted = (part: string) => take(tensors, `${name}.${part}`);
        sigmas.push(scheduler(`${name}.sigmas`, got.sigmas, wanted('sigmas'), SIGMAS));
        timesteps.push(
          scheduler(`${name}.timesteps`, got.timesteps, wanted('timesteps'), TIMESTEPS),
        );
        const range = sigmaRange(parsed);
        if (sigma_min !== undefined && sigma_max !== undefined) {
          const ends = [range.sigmaMin, range.sigmaMax];
          sigmas.push(scheduler(`${name}.range`, ends, [sigma_min, sigma_max], SIGMAS));
        }
      }
      for (const [steps, want] of Object.entries(sideCar.t_schedule ?? {})) {
        const name = `t_schedule.n${steps}`;
        const got = customSigmas(Number(steps));
        sigmas.push(scheduler(name, got, want, SIGMAS));
        sigmas.push(scheduler(name, got, take(tensors, name), SIGMAS));
      }
      const rows = [groupRows('sigmas', sigmas), groupRows('timesteps', timesteps)];
      if (sideCar.trajectory) rows.push(...trajectory(sideCar.trajectory, tensors));
      return rows;
    }),
  );
}

/** An Euler integration of v = a x + b sigma, with a and b from the side-car's formula. */
function trajectory(
  {
    shift,
    num_inference_steps: numInferenceSteps,
    velocity,
  }: NonNullable<SchedulerSideCar['trajectory']>,
  tensors: Tensors,
): VerifyRow[] {
  const factors = /([\d.]+)\s*\*\s*x\s*\+\s*([\d.]+)\s*\*\s*sigma/.exec(velocity);
  if (!factors)
    throw new InputError(`scheduler: velocity must be a*x + b*sigma_i, got ${velocity}`);
  const [a, b] = [Number(factors[1]), Number(factors[2])];
  const { sigmas, timesteps } = schedule(SchedulerConfig.parse({ shift }), { numInferenceSteps });
  const want = take(tensors, 'trajectory.x');
  let x = want.select(0, 0);
  const steps = [x];
  for (let i = 0; i < numInferenceSteps; i++) {
    const v = x.mul(a).add(b * sigmas[i]);
    x = eulerStep(x, v, { from: sigmas[i], to: sigmas[i + 1] });
    steps.push(x);
  }
  return [
    row('scheduler', 'trajectory.x', ops.stack(steps), want, TRAJECTORY),
    row('scheduler', 'trajectory.sigmas', sigmas, take(tensors, 'trajectory.sigmas'), SIGMAS),
    row(
      'scheduler',
      'trajectory.timesteps',
      timesteps,
      take(tensors, 'trajectory.timesteps'),
      TIMESTEPS,
    ),
  ];
}

function adaNorm(t: Tensors, kind: 'rmsnorm' | 'layernorm'): ReturnType<Unit> {
  const x = take(t, 'in.x');
  const norm = loaded(new AdaNorm(x.size(-1), kind), t);
  const [shift1, scale1, gate1, shift2, scale2, gate2] = norm.modulation(take(t, 'in.temb').silu());
  const flat = (vector: Tensor) => vector.squeeze(1);
  return [
    ['out.x', modulate(x, norm.spec, shift1, scale1), NORM],
    ['out.gate_msa', flat(gate1), NORM],
    ['out.shift_mlp', flat(shift2), NORM],
    ['out.scale_mlp', flat(scale2), NORM],
    ['out.gate_mlp', flat(gate2), NORM],
  ];
}

/**
 * Applies rotary embeddings to heads with the operator that also normalises: it normalises each head with
 * weight 1, which is undone by multiplying with the root mean square. [B, L, N, K] → [B, N, L, K]
 */
function rotate(x: Tensor, rope: RopeTable): Tensor {
  const rms = x.square().mean([-1], true).sqrt().transpose(1, 2); // [B, N, L, 1]
  const norm = { weight: ones([x.size(-1)], { device: x.device }), eps: 0 };
  return rmsNormRope(x.flatten(2), norm, x.size(2), rope).mul(rms);
}

/** Loads the group's weights into `module`: every tensor that is neither input nor output. */
function loaded<M extends Module>(module: M, tensors: Tensors): M {
  const weights = new Map([...tensors].filter(([name]) => !/^(in|out)(\.|$)/.test(name)));
  module.loadStateDict(weights);
  return module;
}

function width(tensors: Tensors): number {
  return take(tensors, 'timestep_embedder.linear_1.bias').size(0);
}

function take(tensors: Tensors, name: string): Tensor {
  const found = tensors.get(name);
  if (!found) throw new InputError(`fixture: must hold the tensor ${name}, got none`);
  return found;
}

function firstOfPairs(pairs: Tensor): number[] {
  return Array.from(pairs.select(1, 0).toFloat32Array());
}

/** Exact comparisons use plain lists of whole numbers. */
function values(tensor: Tensor, { measure }: Limit): Tensor | number[] {
  return measure === 'exact' ? Array.from(tensor.toFloat32Array()) : tensor;
}
