import { InputError } from '../../errors.js';
import type { DepthMap } from '../../media/index.js';
import type { DataItem } from './items.js';

/**
 * Where the depth of a sample's frames lies in its depth file, at the same times. A file with a rate of
 * its own covers the whole clip; one without has a map for each frame of the sample's part.
 *
 * @param start      the first frame, at the sample's rate, from the beginning of its part
 * @throws InputError if the file is too short
 */
export function depthPlaces(
  map: DepthMap,
  { part, depth }: Pick<DataItem, 'part' | 'depth'>,
  { start = 0, numFrames }: { start?: number; numFrames: number },
): number[] {
  const rate = map.fps ?? part.fps ?? 1;
  const first = map.fps ? (part.start ?? 0) * rate : 0;
  const step = map.fps && part.fps ? rate / part.fps : 1;
  const places = Array.from({ length: numFrames }, (_, i) =>
    Math.round(first + (start + i) * step),
  );
  const last = places.at(-1)!;
  if (last < map.numFrames) return places;
  throw new InputError(
    `${depth?.name}: must have a depth frame for each frame of its clip, at least ${last + 1}, got ${map.numFrames}`,
  );
}
