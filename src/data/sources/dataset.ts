/** A data set of a program's own: samples in memory, by their number. */
import { InputError } from '../../errors.js';
import { type DepthMap, expectFrames, type Frames } from '../../media/index.js';
import type { Sample } from './sample.js';

/**
 * Samples by their number, 0 to `length` - 1. Training draws them in an order of its own that follows
 * from the seed, goes through all of them again and again, and asks for a sample whenever it needs it;
 * a sample must be the same each time, also in a later process that goes on with the run.
 */
export interface Dataset {
  readonly length: number;
  /**
   * Changes whenever a sample does: what is known of the samples is kept by it. Without it every
   * sample is read when a run begins or goes on, to see whether it is the same.
   */
  readonly version?: string;
  /** An error leaves the sample out, and is said. */
  at(index: number): DatasetSample | Promise<DatasetSample>;
}

/** One sample: an image is a clip of one frame. */
export interface DatasetSample {
  /** what is to be made, of any size; `data` is [F, H, W, 3], sRGB, 0..255 */
  clip: Frames;
  /** what it shows; leave it out for an edit */
  caption?: string;
  /** of every frame, of any size: [F, H, W] float32, larger is nearer */
  depth?: Omit<DepthMap, 'path'>;
  /** what the clip was before it was changed, as many frames, and what was asked for */
  edit?: { source: Frames; instruction: string };
}

/** @throws InputError unless it is one */
export function checkDataset(value: unknown, where: string): asserts value is Dataset {
  const { length, at } = (value ?? {}) as Partial<Dataset>;
  if (Number.isSafeInteger(length) && length! > 0 && typeof at === 'function') return;
  throw new InputError(
    `${where}: must have a length of 1 or more and a function at(index) that returns a sample`,
  );
}

/**
 * The sample of a number, as tasks take it.
 *
 * @param where   names it in errors
 * @throws InputError if it cannot be had, or its parts do not go together
 */
export async function sampleAt(dataset: Dataset, index: number, where: string): Promise<Sample> {
  let found: DatasetSample;
  try {
    found = await dataset.at(index);
  } catch (cause) {
    throw new InputError(`${where}: cannot be had (${(cause as Error)?.message ?? cause})`, {
      cause,
    });
  }
  const { clip, caption = '', depth = null, edit = null } = found ?? {};
  if (!clip) throw new InputError(`${where}: must have a clip, got nothing of that name`);
  expectFrames(`${where}: clip`, clip);
  if (typeof caption !== 'string') throw new InputError(`${where}: caption must be text`);
  if (edit) {
    expectFrames(`${where}: edit.source`, edit.source);
    expectSameLength(`${where}: edit.source`, edit.source, clip);
    if (typeof edit.instruction !== 'string' || edit.instruction.trim() === '') {
      throw new InputError(`${where}: edit.instruction must be text`);
    }
  }
  if (depth) {
    expectSameLength(`${where}: depth`, depth, clip);
    const { width, height, numFrames, data } = depth;
    if (data.length !== width * height * numFrames) {
      throw new InputError(
        `${where}: depth must be [F, H, W] = [${numFrames}, ${height}, ${width}], got ${data.length} values`,
      );
    }
  }
  return {
    clip,
    depth: depth && { ...depth, path: where },
    // an instruction says not what the result shows
    caption: edit ? '' : caption,
    edit,
  };
}

function expectSameLength(where: string, part: { numFrames: number }, clip: Frames): void {
  if (part.numFrames === clip.numFrames) return;
  throw new InputError(
    `${where}: must have as many frames as the clip (${clip.numFrames}), got ${part.numFrames}`,
  );
}
