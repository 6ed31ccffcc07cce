/**
 * The objective of a flow map: the average velocity u over a step from noise level t to r, so that
 * x - (t - r) u is where the teacher's flow arrives, whatever the length of the step.
 *
 * Along the flow, (t - r) u grows by the teacher's velocity v: d/dt [(t - r) u] = v. The derivative is
 * taken as a difference, over a short way from t to m that the teacher goes and a pass of the student
 * without gradients from there:
 *
 *     (t - r) u(x_t, t, r) = (t - m) v + (m - r) u(x_m, m, r)
 *
 * So the target is a mean of two velocities, which cannot grow. Solved for u with the derivative of u
 * itself, v - (t - r) du/dt, it would hold the student's errors (t - r) / (t - m) times, and training
 * diverges: measured on models/mfm-mini. A share of the samples has r = t, where u is v.
 *
 * Source: Gu et al. 2026, AnyFlow, its first stage, arXiv 2605.13724; the identity: Geng et al. 2025,
 * MeanFlow, arXiv 2505.13447. Unlike there, v is the teacher's prediction, not the data's: it varies
 * less, and guidance is part of it.
 *
 * Without a teacher, samples with r = t learn the data's velocity, and the way from t to m goes by the
 * student's own, as in Frans et al. 2024, shortcut models, arXiv 2410.12557. Guidance w becomes part of
 * it as in MeanFlow (its section 4.2, with their w = 1 and kappa = 1 - 1 / w): the target is
 * v + kappa (u(x_t, t, t) - u(x_t, t, t without the prompt)), which varies no more than v does.
 */
import {
  addNoise,
  shiftSigmas,
  timestepsOf,
  velocityLosses,
  velocityTarget,
} from '../../diffusion/index.js';
import type { Pipeline } from '../../pipeline/index.js';
import type { Target } from '../../tasks/index.js';
import { cat, noGrad, rand, type Tensor, tensor, upload } from '../../tensor/index.js';
import type { TrainSample } from '../feed/batch.js';
import type { FlowMapPlan } from '../recipe/config.js';
import { shiftFor } from '../recipe/levers-config.js';
import { drawSample } from './flow-matching.js';
import {
  conditionsOf,
  DEPTH_CHANNEL,
  type Draws,
  type LossOptions,
  type Objective,
  type PreparedSamples,
  prepareSamples,
  type SentSamples,
  type StepPlan,
} from './step.js';

export interface FlowMapDraws extends Draws {
  /** [B], the noise levels at which the steps end; those of samples that learn v equal `sigmas` */
  ends: Tensor;
}

/**
 * The teacher's velocity at noised latents [B, C, f, h, w] of some samples, at noise levels [B], which are
 * on the CPU.
 */
export type VelocityAt = (rows: readonly number[], noised: Tensor, sigmas: Tensor) => Tensor;
/** The student's average velocity from noise levels `from` to `to`, [B], which are on the CPU. */
export type AverageAt = (
  rows: readonly number[],
  noised: Tensor,
  from: Tensor,
  to: Tensor,
) => Tensor;

/** A pass of the student without gradients, for samples with these inputs. */
type Forward = (
  given: PreparedSamples['inputs'],
  noised: Tensor,
  from: Tensor,
  to: Tensor,
) => Tensor;

/** The objective of distilling a teacher, whose weights do not change, or of going on without one. */
export function flowMapObjective(teacher: Pipeline, plan: FlowMapPlan): Objective {
  return {
    draw: (_, samples, step, at) => drawSteps(samples, step, at, plan),
    losses(student, part, options, { target }) {
      const { sigmas, ends } = part.draws as FlowMapDraws;
      const { device } = student;
      const { inputs, work } = prepareSamples(student, part, options);
      const noised = addNoise(part.latents, part.noise, part.sigmas);
      let forwards = 0;
      const forward: Forward = (given, x, from, to) => {
        forwards += x.size(0);
        return student.transformer.forward(x, {
          ...given,
          timesteps: timestepsOf(upload(from, device)),
          endTimesteps: timestepsOf(upload(to, device)),
        });
      };
      const averageAt: AverageAt = (rows, ...where) => forward(rowsOf(inputs, rows), ...where);
      const wanted = noGrad(() => {
        if (plan.velocity === 'data') {
          const own: VelocityAt = (rows, x, at) => averageAt(rows, x, at, at).to('float32');
          const { guidance } = plan;
          const given = { options, inputs, noised, forward, own, guidance };
          const start = velocitiesOfData(student, part, target, given);
          return averageTarget(start, own, averageAt, noised, { sigmas, ends }, plan.difference);
        }
        const guided = guidedVelocity(teacher, part, target, options);
        const velocityAt: VelocityAt = (rows, x, at) => {
          forwards += guided.rowsOf(rows);
          return guided.at(rows, x, at);
        };
        const start = velocityAt([...part.samples.keys()], noised, sigmas);
        return averageTarget(
          start,
          velocityAt,
          averageAt,
          noised,
          { sigmas, ends },
          plan.difference,
        );
      });
      const average = student.transformer.forward(noised, {
        ...inputs,
        timesteps: timestepsOf(part.sigmas),
        endTimesteps: timestepsOf(upload(ends, device)),
      });
      const losses = velocityLosses(average, wanted);
      const weights =
        plan.velocity === 'teacher' ? losses.detach().add(LEAST_LOSS).reciprocal() : undefined;
      return { losses, weights, work: { ...work, forwards } };
    },
  };
}

/**
 * With a teacher, a sample weighs the less, the larger its loss: else guided tasks, from whose
 * velocities the student is far at first, would pull it away from those that it does well already.
 * Losses below this one weigh alike. The data's velocities have a loss that nobody can avoid, which
 * says nothing about how much there is to learn.
 *
 * Source: Geng et al. 2025, MeanFlow, arXiv 2505.13447 (p = 1); AnyFlow balances its kinds of samples
 */
const LEAST_LOSS = 0.01;

/**
 * Draws noise, and where steps begin and end. Both ends of a step have the same shift as the noise
 * levels in training.
 */
export function drawSteps(
  samples: readonly TrainSample[],
  { seed, timestepShift }: Pick<StepPlan, 'seed' | 'timestepShift'>,
  step: number,
  { flowShare, cleanShare }: Pick<FlowMapPlan, 'flowShare' | 'cleanShare'>,
): FlowMapDraws {
  const drawn = samples.map((sample) => {
    const { normal, noise, generator } = drawSample(sample, seed, step);
    const [kind, one, other] = rand([3], { generator }).toFloat32Array() as unknown as number[];
    const level = normal.sigmoid().item();
    if (kind! < flowShare) return { noise, from: level, to: level };
    const [from, to] = [Math.max(one!, other!), Math.min(one!, other!)];
    return { noise, from, to: kind! < flowShare + cleanShare ? 0 : to };
  });
  const shifts = samples.map(({ task }) => shiftFor(timestepShift, task));
  const shifted = (side: 'from' | 'to') =>
    shiftSigmas(tensor(drawn.map((one) => one[side])), shifts);
  return {
    sigmas: shifted('from'),
    ends: shifted('to'),
    noise: cat(drawn.map(({ noise }) => noise)),
  };
}

/**
 * What the average velocity over steps from `sigmas` to `ends` is to be, without gradients. The
 * teacher goes `difference`, or the whole step if that is shorter, by Heun's method.
 *
 * @param start    [B, C, f, h, w] float32, the velocities at `sigmas`
 * @param noised   [B, C, f, h, w] at `sigmas`
 * @returns        [B, C, f, h, w] float32
 */
export function averageTarget(
  start: Tensor,
  velocityAt: VelocityAt,
  averageAt: AverageAt,
  noised: Tensor,
  { sigmas, ends }: Pick<FlowMapDraws, 'sigmas' | 'ends'>,
  difference: number,
): Tensor {
  const [from, to] = [sigmas.toFloat32Array(), ends.toFloat32Array()];
  const middle = [...from.keys()].map((i) => Math.max(to[i]!, from[i]! - difference));
  const long = withLength({ sigmas, ends });
  if (long.length === 0) return start;

  // the teacher's way
  const { device } = noised;
  const levels = (values: (i: number) => number, rows: readonly number[]) =>
    perRow(tensor(rows.map(values), { device }), noised);
  const [x, first] = [pick(noised, long), pick(start, long)];
  const way = levels((i) => from[i]! - middle[i]!, long);
  const ahead = velocityAt(long, x.sub(first.mul(way)), tensor(long.map((i) => middle[i]!)));
  const velocity = first.add(ahead).mul(0.5);

  // the student's rest of it
  const places = [...long.keys()].filter((k) => middle[long[k]!]! > to[long[k]!]!);
  let target = velocity;
  if (places.length > 0) {
    const rows = places.map((k) => long[k]!);
    const [mean, before] = [pick(velocity, places), pick(x, places)];
    const arrived = before.sub(mean.mul(pick(way, places)));
    const [m, r] = [tensor(rows.map((i) => middle[i]!)), tensor(rows.map((i) => to[i]!))];
    const rest = averageAt(rows, arrived, m, r).to('float32');
    const share = levels((i) => (from[i]! - middle[i]!) / (from[i]! - to[i]!), rows);
    const mixed = rest.add(mean.sub(rest).mul(share));
    target = velocity.clone().indexCopy_(0, indices(places, device), mixed);
  }
  return start.clone().indexCopy_(0, indices(long, device), target);
}

/** The samples whose steps have a length. */
function withLength({ sigmas, ends }: Pick<FlowMapDraws, 'sigmas' | 'ends'>): number[] {
  const [from, to] = [sigmas.toFloat32Array(), ends.toFloat32Array()];
  return [...from.keys()].filter((i) => from[i]! > to[i]!);
}

/**
 * The velocities at the start of the steps, without a teacher: the student's own where a step has a
 * length, and else the data's, with the guidance of the sample's task.
 */
function velocitiesOfData(
  student: Pipeline,
  part: SentSamples,
  target: Target,
  {
    options,
    inputs,
    noised,
    forward,
    own,
    guidance,
  }: {
    options: LossOptions;
    inputs: PreparedSamples['inputs'];
    noised: Tensor;
    forward: Forward;
    own: VelocityAt;
    guidance: FlowMapPlan['guidance'];
  },
): Tensor {
  const { samples, latents, noise, draws } = part;
  const { device } = student;
  const wanted = velocityTarget(latents, noise);
  const long = withLength(draws as FlowMapDraws);
  const scales = samples.map(({ task }) => guidance[task.id] ?? 1);
  const guided = [...samples.keys()].filter((i) => scales[i]! > 1 && !long.includes(i));
  const rows = [...long, ...guided].sort((a, b) => a - b);
  if (rows.length === 0) return wanted;

  const predicted = own(rows, pick(noised, rows), pick(draws.sigmas, rows));
  const of = (which: readonly number[]) =>
    pick(
      predicted,
      which.map((i) => rows.indexOf(i)),
    );
  const start = wanted.clone();
  if (long.length > 0) start.indexCopy_(0, indices(long, device), of(long));
  if (guided.length > 0) {
    const chosen = guided.map((i) => samples[i]!);
    const plain = { ...options, gradCheckpointing: false, positive: rowsOf(inputs, guided) };
    const negative = negativeInputs(student, chosen, target, plain);
    const at = pick(draws.sigmas, guided);
    const without = forward(negative, pick(noised, guided), at, at);
    const shares = tensor(
      guided.map((i) => 1 - 1 / scales[i]!),
      { device },
    );
    const more = of(guided).sub(without.to('float32')).mul(perRow(shares, noised));
    start.indexCopy_(0, indices(guided, device), pick(wanted, guided).add(more));
  }
  return start;
}

const indices = (rows: readonly number[], device: string): Tensor =>
  tensor([...rows], { dtype: 'int64', device });

/** Some rows of a tensor. */
const pick = (tensor: Tensor, rows: readonly number[]): Tensor =>
  tensor.indexSelect(0, indices(rows, tensor.device));

/** [B] → [B, 1, 1, …], to multiply with tensors of the other's rank. */
const perRow = (values: Tensor, like: Tensor): Tensor =>
  values.view([values.size(0), ...like.shape.slice(1).map(() => 1)]);

/**
 * The teacher's velocity with each task's own guidance, as a pipeline samples with it: the negative
 * rows keep pixels and mask, but get no depth.
 */
function guidedVelocity(
  teacher: Pipeline,
  part: SentSamples,
  target: Target,
  options: LossOptions,
): { at: VelocityAt; rowsOf: (samples: readonly number[]) => number } {
  const { device } = teacher;
  const { samples } = part;
  const plain = { ...options, gradCheckpointing: false };
  const scales = samples.map(({ task }) => teacher.settingsFor(task).guidanceScale);
  const guided = [...samples.keys()].filter((i) => scales[i]! > 1);
  const positive = prepareSamples(teacher, part, plain).inputs;
  const negative =
    guided.length > 0
      ? negativeInputs(
          teacher,
          guided.map((i) => samples[i]!),
          target,
          { ...plain, positive: rowsOf(positive, guided) },
        )
      : null;
  const velocity = (inputs: PreparedSamples['inputs'], x: Tensor, sigmas: Tensor) =>
    teacher.transformer
      .forward(x, { ...inputs, timesteps: timestepsOf(upload(sigmas, device)) })
      .to('float32');
  const guidedOf = (rows: readonly number[]) => rows.filter((i) => scales[i]! > 1);
  return {
    rowsOf: (rows) => rows.length + guidedOf(rows).length,
    at(rows, x, sigmas) {
      const all = velocity(rowsOf(positive, rows), x, sigmas);
      const some = guidedOf(rows);
      if (some.length === 0) return all;
      const at = some.map((i) => rows.indexOf(i));
      const places = indices(at, device);
      const without = velocity(
        rowsOf(
          negative!,
          some.map((i) => guided.indexOf(i)),
        ),
        x.indexSelect(0, places),
        sigmas.indexSelect(0, indices(at, 'cpu')),
      );
      const own = all.indexSelect(0, places);
      const extras = some.map((i) => scales[i]! - 1);
      const extra = perRow(tensor(extras, { device }), own);
      return all.indexCopy_(0, places, own.add(own.sub(without).mul(extra)));
    },
  };
}

function negativeInputs(
  teacher: Pipeline,
  samples: readonly TrainSample[],
  target: Target,
  {
    positive,
    encodeText = (prompts) => teacher.encodePrompts(prompts),
  }: LossOptions & { positive: PreparedSamples['inputs'] },
): PreparedSamples['inputs'] {
  const { transformer } = teacher;
  const prompts = samples.map(({ task }) => teacher.settingsFor(task).negativePrompt);
  const text = teacher.prepareText(encodeText(prompts));
  if (!transformer.config.use_depth_cond) return { ...positive, text };
  const { conditions, rows } = conditionsOf(samples, target, teacher);
  const depth = conditions.narrow(1, DEPTH_CHANNEL, 1);
  if (depth.abs().amax().item() === 0) return { ...positive, text };
  depth.zero_();
  const { device } = teacher;
  const condition = transformer
    .prepareCondition(upload(conditions, device))
    .indexSelect(0, upload(rows, device));
  return { ...positive, text, condition };
}

/** The inputs of some of the samples; the rotary table has no rows. */
function rowsOf(
  inputs: PreparedSamples['inputs'],
  rows: readonly number[],
): PreparedSamples['inputs'] {
  const { text, condition, motionScores } = inputs;
  if (rows.length === condition.size(0)) return inputs;
  const chosen = indices(rows, condition.device);
  const some = (tensor: Tensor) => tensor.indexSelect(0, chosen);
  return {
    ...inputs,
    text: {
      blocks: text.blocks.map(({ keys, values }) => ({ keys: some(keys), values: some(values) })),
      bias: text.bias && some(text.bias),
    },
    condition: some(condition),
    motionScores: motionScores && some(motionScores),
  };
}
