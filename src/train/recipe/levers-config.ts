/**
 * Keys of a recipe that make training learn more from each sample: published methods, all off
 * unless a recipe asks for them.
 */
import { z } from 'zod';

const block = z.int().min(0).max(1023);

/** Some tokens skip the middle blocks. Source: Krause et al. 2025, TREAD, arXiv 2501.04765 */
export const TokenRouting = z.strictObject({
  share: z
    .number()
    .min(0)
    .max(0.95)
    .default(0)
    .describe(
      "share of each sample's tokens that skip blocks in training (TREAD); with 0, none do. Validation and use see all",
    ),
  first: block.default(1).describe('index of the first block that they skip, from 0'),
  last: block
    .optional()
    .describe('index of the last block that they skip (default: the last but one)'),
});
export type TokenRouting = z.infer<typeof TokenRouting>;

/** A range of blocks that a share of the tokens skips. */
export interface SkippedBlocks {
  share: number;
  first: number;
  last: number;
}

/** The blocks that tokens skip in a network of `numLayers` blocks; null if none do. */
export function skippedBlocks(
  { share, first, last }: TokenRouting,
  numLayers: number,
): SkippedBlocks | null {
  return share === 0 ? null : { share, first, last: last ?? numLayers - 2 };
}

/** The number of tokens of a sample that skip blocks. */
export const skippingTokens = (tokens: number, share: number): number => Math.floor(tokens * share);

/**
 * A small network reads the tokens after a middle block, and is to predict from them what is known
 * exactly. Source: Wang et al. 2026, SRA 2, arXiv 2601.17830
 */
export const Alignment = z.strictObject({
  weight: z
    .number()
    .min(0)
    .max(1000)
    .default(0)
    .describe(
      'weight of a second loss: a small network, which the finished pipeline lacks, predicts from the tokens after a block what is to be seen (SRA 2); with 0 there is none',
    ),
  block: block
    .optional()
    .describe('index of that block, from 0 (default: after 8/28 of the blocks, as published)'),
  to: z
    .enum(['latents', 'scene'])
    .default('latents')
    .describe(
      'what is predicted: the clean latents, or of scenes of MiniWorld which solids a token shows and how far away they are; the same in all stages',
    ),
});
export type Alignment = z.infer<typeof Alignment>;

/** The index of the block whose tokens are aligned, in a network of `numLayers` blocks. */
export const alignedBlock = ({ block }: Alignment, numLayers: number): number =>
  block ?? Math.max(0, Math.round((8 / 28) * numLayers) - 1);

/** What it predicts, the same in all stages that have it; null if none has. */
export const alignedTo = (stages: readonly { alignment: Alignment }[]): Alignment['to'] | null =>
  stages.find(({ alignment }) => alignment.weight > 0)?.alignment.to ?? null;

/** Does the feed have to say what the scenes of a stage show? */
export const needsLabels = ({ weight, to }: Alignment): boolean => weight > 0 && to === 'scene';

/** Values of a token of a scene: the background, four solids, and nearness; see `sceneLabels`. */
export const SCENE_CHANNELS = 6;

/**
 * The layers of that network, [inputs, outputs] each, between which there are SiLUs.
 *
 * @param width   the transformer's
 */
export function headLayers(
  to: Alignment['to'],
  { width, patch_size, in_channels }: { width: number; patch_size: number; in_channels: number },
): [number, number][] {
  const channels = to === 'scene' ? SCENE_CHANNELS : patch_size ** 2 * in_channels;
  return [
    [width, width],
    [width, width],
    [width, channels],
  ];
}

const shift = z.number().positive().max(1000);

/** Shift of the noise levels: one for all, or by task. */
export const TimestepShift = z.union([shift, z.record(z.string(), shift)], {
  error: 'must be a number above 0, or such numbers by task, image, video and default',
});
export type TimestepShift = z.infer<typeof TimestepShift>;

/** A number as the default of shifts by task; anything else as it is. */
export const shiftInFull = (given: unknown): unknown =>
  typeof given === 'number' ? { default: given } : given;

/** Keys of `TimestepShift` beside tasks: what a task makes, and all others. */
export const SHIFT_KINDS = ['image', 'video', 'default'] as const;

/** The shift for a task: its own, that of images or clips, or the default. */
export function shiftFor(
  shifts: TimestepShift,
  { id, result }: { id: string; result: 'image' | 'video' },
): number {
  if (typeof shifts === 'number') return shifts;
  return shifts[id] ?? shifts[result] ?? shifts.default ?? 1;
}

/** What updates the transformer's weights; see src/optim/muon.ts for Muon and its sources. */
export const OptimizerChoice = z.strictObject({
  name: z
    .enum(['adamw', 'muon'])
    .default('adamw')
    .describe(
      'muon: for the matrices of the blocks, and AdamW for all else; pays with large batches',
    ),
  momentum: z.number().min(0).lt(1).default(0.95).describe("decay of Muon's momentum"),
  scale: z
    .enum(['matchAdamW', 'original'])
    .default('matchAdamW')
    .describe(
      "size of Muon's updates: matchAdamW 0.2 √max(rows, columns), for learning rates as AdamW has them; original √max(1, rows / columns)",
    ),
  learningRateFactor: z
    .number()
    .positive()
    .max(1000)
    .default(1)
    .describe("Muon's learning rate, as a multiple of AdamW's"),
});
export type OptimizerChoice = z.infer<typeof OptimizerChoice>;
