/** What a low-rank change of a network consists of. */
import { z } from 'zod';

/** The projections of attention and of the MLP, as the transformer names them. */
const BLOCK_LINEARS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'fc1', 'fc2'];

export const LoraConfig = z
  .strictObject({
    rank: z.int().positive().max(65_536).default(16).describe('width of the low-rank layers'),
    alpha: z
      .number()
      .positive()
      .optional()
      .describe('their output is multiplied by alpha / rank (default: rank, so by 1)'),
    targets: z
      .array(z.string().min(1))
      .min(1)
      .default(BLOCK_LINEARS)
      .describe(
        'linear layers that get one: a name or its end, as q_proj or attn1.q_proj, or a pattern over whole names with * and ?',
      ),
  })
  .transform((config) => ({ ...config, alpha: config.alpha ?? config.rank }));
export type LoraConfig = z.infer<typeof LoraConfig>;
