/** The configuration of a low-rank adaptation. */
import { z } from 'zod';

/** The linear layers of attention and the MLP, by their names in the transformer. */
const BLOCK_LINEARS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'fc1', 'fc2'];

export const LoraConfig = z
  .strictObject({
    rank: z.int().positive().max(65_536).default(16).describe('width of the low-rank layers'),
    alpha: z
      .number()
      .positive()
      .optional()
      .describe('their output is multiplied by alpha / rank (default: rank, so a factor of 1)'),
    targets: z
      .array(z.string().min(1))
      .min(1)
      .default(BLOCK_LINEARS)
      .describe(
        'linear layers to adapt: a name or its last parts, such as q_proj or attn1.q_proj, or a pattern for whole names with * and ?',
      ),
  })
  .transform((config) => ({ ...config, alpha: config.alpha ?? config.rank }));
export type LoraConfig = z.infer<typeof LoraConfig>;
