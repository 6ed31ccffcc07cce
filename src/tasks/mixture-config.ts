/** The distribution that mixtures are drawn from in training: the recipe key `mixture`. */
import { z } from 'zod';

const share = z.number().min(0).max(1);
const range = (low: z.ZodType<number>) =>
  z
    .tuple([low, low])
    .refine(([least, most]) => least <= most, 'must be the least value, then the largest');

/** Relative weights of kinds, of which at least one is above 0; those left out have weight 0. */
const weightsOf = <K extends string>(kinds: readonly [K, ...K[]]) =>
  z
    .partialRecord(z.enum(kinds), z.number().min(0).max(1_000_000))
    .refine(
      (weights) => Object.values(weights).some((weight) => (weight as number) > 0),
      `must give one of ${kinds.join(', ')} a weight above 0`,
    );

export const Mixture = z.strictObject({
  places: weightsOf(['none', 'scattered', 'runs', 'all'])
    .default({ none: 1, scattered: 3, runs: 3, all: 3 })
    .describe(
      'weights of which frames are known: none (then depth is given), single frames here and there, runs of frames, or all',
    ),
  frames: range(share)
    .default([0.05, 0.5])
    .describe('share of the frames that are known, if they are scattered or in runs: least, most'),
  parts: range(z.int().min(1).max(64))
    .default([1, 3])
    .describe(
      'number of parts that the known frames are divided into, each with a hole, shares, colours and size of its own: least, most',
    ),
  hole: weightsOf(['none', 'still', 'moving', 'border'])
    .default({ none: 3, still: 1, moving: 1, border: 1 })
    .describe('weights of what a part lacks: nothing, a hole that stays or moves, or borders'),
  soft: share
    .default(0.2)
    .describe('share of parts whose mask has values between 0 and 1, in the hole or all over'),
  gray: share.default(0.15).describe('share of parts of which only the brightness is known'),
  small: share
    .default(0.15)
    .describe('share of parts that are a small, poor copy, as in super-resolution'),
  depth: weightsOf(['none', 'known', 'some', 'all'])
    .default({ none: 2, known: 2, some: 1, all: 2 })
    .describe(
      'weights of which frames have depth, if the sample has any: none, what is known of the known ones, those and some whole frames, or all frames',
    ),
});
export type Mixture = z.infer<typeof Mixture>;

export const DEFAULT_MIXTURE: Mixture = Mixture.parse({});
