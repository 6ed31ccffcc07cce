/** The share of image batches in a stage; the others are of clips. */
import type { Stage } from './config.js';

/**
 * The share of image batches, 0..1: it moves linearly from the first value of `imageShare` to the
 * second, which it reaches at `mixAt`.
 *
 * @param done   the share of the stage that is over, 0..1
 */
export function imageShareAt(
  done: number,
  { imageShare, mixAt }: Pick<Stage, 'imageShare' | 'mixAt'>,
): number {
  const [first, last] = imageShare;
  const mixed = mixAt === 0 ? 1 : Math.min(1, done / mixAt);
  return first + (last - first) * mixed;
}

/** The mean of `imageShareAt` over the whole stage. */
export function meanImageShare({
  imageShare: [first, last],
  mixAt,
}: Pick<Stage, 'imageShare' | 'mixAt'>): number {
  return (mixAt * (first + last)) / 2 + (1 - mixAt) * last;
}
