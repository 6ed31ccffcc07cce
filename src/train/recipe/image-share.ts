/** The images and clips of a stage. */
import type { Stage } from './config.js';

/** Images only at first, then fewer and fewer until clips are mixed in fully. */
export function imageShareAt(
  done: number,
  { imageShare, mixAt }: Pick<Stage, 'imageShare' | 'mixAt'>,
): number {
  const [first, last] = imageShare;
  const mixed = mixAt === 0 ? 1 : Math.min(1, done / mixAt);
  return first + (last - first) * mixed;
}

/** The same, over the whole stage. */
export function meanImageShare({
  imageShare: [first, last],
  mixAt,
}: Pick<Stage, 'imageShare' | 'mixAt'>): number {
  return (mixAt * (first + last)) / 2 + (1 - mixAt) * last;
}
