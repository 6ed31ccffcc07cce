/** The scheduler's `scheduler_config.json`, as diffusers writes it. */
import { z } from 'zod';
import { count } from '../check-config.js';

const unsupported = (name: string) =>
  z.literal(false, `must be false: ${name} are not implemented`).nullable().default(false);

export const SchedulerConfig = z.strictObject({
  _class_name: z
    .enum(['FlowMatchEulerDiscreteScheduler', 'FlowMapEulerDiscreteScheduler'])
    .default('FlowMatchEulerDiscreteScheduler')
    .describe('FlowMap…: steps of equal length before the shift, for flow maps'),
  _diffusers_version: z.string().default('0.33.1'),
  num_train_timesteps: count(1_000_000).default(1000).describe('timestep of pure noise'),
  shift: z.number().positive().default(1).describe('above 1: more steps at high noise'),
  use_dynamic_shifting: z.boolean().default(false).describe('shift by mu, which each call passes'),
  time_shift_type: z.enum(['exponential', 'linear']).default('exponential'),
  shift_terminal: z
    .number()
    .min(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe('last noise level before 0'),
  base_shift: z.number().nullable().default(0.5).describe('mu at base_image_seq_len'),
  max_shift: z.number().nullable().default(1.15).describe('mu at max_image_seq_len'),
  base_image_seq_len: z.int().nullable().default(256).describe('in tokens'),
  max_image_seq_len: z.int().nullable().default(4096).describe('in tokens'),
  invert_sigmas: unsupported('inverted sigmas'),
  use_karras_sigmas: unsupported('Karras sigmas'),
  use_exponential_sigmas: unsupported('exponential sigmas'),
  use_beta_sigmas: unsupported('beta sigmas'),
  stochastic_sampling: unsupported('stochastic steps'),
});
export type SchedulerConfig = z.infer<typeof SchedulerConfig>;
