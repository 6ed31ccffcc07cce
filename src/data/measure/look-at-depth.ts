/** Reads the depth of a sample as training does. */
import { InputError } from '../../errors.js';
import { readDepth } from '../../media/depth/depth.js';
import { doubtedMeaning } from '../../media/depth/meaning.js';
import { withPath } from '../sources/data-file.js';
import type { DataFile } from '../sources/items.js';

/**
 * Why it cannot be read as depth, or a note on values that seem to mean something else; null: nothing.
 *
 * @param numFrames   of the sample, each of which needs depth
 */
export async function lookAtDepth(
  file: DataFile,
  numFrames: number,
): Promise<{ problem: string | null; note: string | null }> {
  return withPath(file, async (path) => {
    try {
      const map = await readDepth(path);
      if (map.numFrames < numFrames) {
        const problem = `${file.name}: the depth must have as many frames as the sample (${numFrames}), got ${map.numFrames}`;
        return { problem, note: null };
      }
      const doubt = doubtedMeaning(map);
      return { problem: null, note: doubt && `${file.name}: ${NOTES[doubt]}` };
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return { problem: error.message.replaceAll(path, file.name), note: null };
    }
  });
}

const NOTES = {
  far: 'the bottom of this map is far and the top near; larger values are read as nearer, so invert it if they are farther',
  distance:
    'some of its points are 0 and all others far above that; larger values are read as nearer, so store the inverse if they are distances',
};
