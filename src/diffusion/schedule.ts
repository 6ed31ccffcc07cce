/** Noise levels for sampling: the sigmas that the steps pass through, and their timesteps. */
import { InputError } from '../errors.js';
import type { SchedulerConfig } from './config.js';

/** Sigmas and timesteps are float32 values, as the reference holds them. */
export interface Schedule {
  /** n + 1 noise levels, falling; the last is 0 */
  sigmas: number[];
  /** n timesteps, the model's input at each step */
  timesteps: number[];
}

export interface ScheduleCall {
  /** ignored if `sigmas` are given */
  numInferenceSteps?: number;
  /** custom noise levels, before the shift */
  sigmas?: readonly number[];
  /** for dynamic shifting; see `dynamicShiftMu` */
  mu?: number;
}

/** Rounds the result of an operation, as arithmetic in that dtype does. */
type Rounding = (value: number) => number;
const float32: Rounding = Math.fround;
const float64: Rounding = (value) => value;

/** shift · s / (1 + (shift - 1) s). Source: Esser et al. 2024, arXiv 2403.03206 */
export function shiftSigma(sigma: number, shift: number, r: Rounding = float64): number {
  return r(r(r(shift) * sigma) / r(1 + r(r(shift - 1) * sigma)));
}

/**
 * The schedule for a call. Without custom sigmas the range ends at the smallest *shifted* training
 * sigma and is then shifted again, as in diffusers, to reproduce its results. The steps of a flow map
 * are of equal length before the shift, down to 0.
 *
 * @throws InputError if there is no step, or no `mu` although the configuration shifts dynamically
 * Source: diffusers 0.33.1, FlowMatchEulerDiscreteScheduler; 0.42.1, FlowMapEulerDiscreteScheduler
 */
export function schedule(config: SchedulerConfig, call: ScheduleCall): Schedule {
  const { num_train_timesteps: top, shift, use_dynamic_shifting: dynamic } = config;
  const { mu } = call;
  if (dynamic && mu === undefined) {
    throw new InputError('schedule: mu must be given with use_dynamic_shifting, got none');
  }
  // in diffusers custom sigmas are a float32 array, others are float64 until the end
  const rounding = call.sigmas ? float32 : float64;
  const unshifted = call.sigmas?.map(float32) ?? linearSigmas(config, call.numInferenceSteps);
  if (unshifted.length === 0) throw new InputError('schedule: sigmas must not be empty');
  let sigmas = unshifted.map((sigma) =>
    dynamic ? timeShift(sigma, mu!, config, rounding) : shiftSigma(sigma, shift, rounding),
  );
  if (config.shift_terminal) sigmas = stretchedTo(sigmas, config.shift_terminal);

  const rounded = sigmas.map(float32);
  return { sigmas: [...rounded, 0], timesteps: rounded.map((s) => float32(s * top)) };
}

/** The largest and smallest training sigma, shifted: by default from 1 and 1/1000. */
export function sigmaRange(config: SchedulerConfig): { sigmaMin: number; sigmaMax: number } {
  const smallest = 1 / config.num_train_timesteps;
  const shift = config.use_dynamic_shifting ? 1 : config.shift;
  return {
    sigmaMin: shiftSigma(float32(smallest), shift, float32),
    sigmaMax: shiftSigma(1, shift, float32),
  };
}

/**
 * The reference pipeline's own sigmas, denser at high noise: shifted by 17 for the first 60 % of
 * the steps, then by a shift that falls linearly towards 7; the last sigma is 0.
 *
 * @throws InputError unless `numInferenceSteps` is a positive integer
 * Source: reference implementation, its `use_t_schedule`
 */
export function customSigmas(numInferenceSteps: number): number[] {
  expectSteps(numInferenceSteps);
  const [high, low] = [17, 7];
  const pivot = Math.floor(numInferenceSteps * 0.6);
  return spaced(1, 0, numInferenceSteps).map((sigma, i) => {
    const rest = i < pivot ? 1 : 1 - (i - pivot) / (numInferenceSteps - pivot);
    return shiftSigma(sigma, high * rest + low * (1 - rest));
  });
}

/** mu for a number of tokens, interpolated between the two lengths of the configuration. */
export function dynamicShiftMu(numTokens: number, config: SchedulerConfig): number {
  const { base_shift, max_shift, base_image_seq_len, max_image_seq_len } = config;
  if (
    base_shift === null ||
    max_shift === null ||
    base_image_seq_len === null ||
    max_image_seq_len === null
  ) {
    throw new InputError(
      'dynamicShiftMu: base_shift, max_shift and their lengths must be set, got null',
    );
  }
  const slope = (max_shift - base_shift) / (max_image_seq_len - base_image_seq_len);
  return base_shift + slope * (numTokens - base_image_seq_len);
}

function linearSigmas(config: SchedulerConfig, numSteps: number | undefined): number[] {
  expectSteps(numSteps);
  if (config._class_name === 'FlowMapEulerDiscreteScheduler') {
    return Array.from({ length: numSteps }, (_, i) => 1 - i / numSteps);
  }
  const { sigmaMin, sigmaMax } = sigmaRange(config);
  return spaced(sigmaMax, sigmaMin, numSteps);
}

function timeShift(sigma: number, mu: number, config: SchedulerConfig, r: Rounding): number {
  const shift = r(config.time_shift_type === 'exponential' ? Math.exp(mu) : mu);
  return r(shift / r(shift + r(r(1 / sigma) - 1)));
}

/** Stretches sigmas below 1 so that the last is `terminal`. */
function stretchedTo(sigmas: number[], terminal: number): number[] {
  const factor = (1 - sigmas[sigmas.length - 1]) / (1 - terminal);
  return sigmas.map((sigma) => 1 - (1 - sigma) / factor);
}

/** `count` values from `from` to `to`, both included; one value is `from`. */
function spaced(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) =>
    count === 1 ? from : from + ((to - from) * i) / (count - 1),
  );
}

function expectSteps(steps: number | undefined): asserts steps is number {
  if (steps === undefined || !Number.isInteger(steps) || steps < 1) {
    throw new InputError(
      `schedule: numInferenceSteps must be a whole number of at least 1, got ${steps}`,
    );
  }
}
