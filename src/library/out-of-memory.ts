/** What is said where memory has not sufficed for a result that was begun. */
import { JobError } from '../errors.js';
import { multiplesOf16 } from '../models/latent-grid.js';
import type { Target } from '../tasks/index.js';

/** About half of the pixels of a frame. */
const SIDE = 0.7;

/**
 * An error that names smaller results to try: half as long, or of half the area.
 *
 * @param size   of the result; null if that is not known yet
 */
export function outOfMemory(
  where: string,
  device: string,
  size: Target | null,
  cause: Error,
): JobError {
  const smaller: string[] = [];
  if (size && size.numFrames > 5) {
    smaller.push(`\`numFrames: ${4 * Math.floor((size.numFrames - 1) / 8) + 1}\``);
  }
  if (size) {
    const { width, height } = multiplesOf16({
      width: size.width * SIDE,
      height: size.height * SIDE,
    });
    smaller.push(`\`size: { width: ${width}, height: ${height} }\``);
  }
  const remedy = smaller.length > 0 ? smaller.join(' or ') : 'a smaller size';
  return new JobError(`${where}: ${device} ran out of memory; try ${remedy}`, { cause });
}
