/** A program's own data set: samples by their index. */
import { InputError } from '../../errors.js';
import { type DepthMap, expectFrames, type Frames } from '../../media/index.js';
import type { Sample } from './sample.js';

/**
 * Samples by their index, 0 to `length` - 1. Training draws them in an order that follows from the seed,
 * passes over all of them many times, and asks for a sample whenever it needs it. A sample must be the
 * same every time, also in a later process that resumes the run.
 */
export interface Dataset {
  readonly length: number;
  /**
   * Change it whenever a sample changes: measurements of the samples are cached under it. Without it,
   * every sample is read whenever a run begins or resumes, to see whether it has changed.
   */
  readonly version?: string;
  /** Returns a sample; if it throws, the sample is left out, and the error is reported. */
  at(index: number): DatasetSample | Promise<DatasetSample>;
}

/** One sample: an image is a clip of one frame. */
export interface DatasetSample {
  /** the clip to learn, of any size; `data` is [F, H, W, 3], sRGB, 0..255 */
  clip: Frames;
  /** what the clip shows; leave it out for an edit */
  caption?: string;
  /** depth of every frame, of any size: [F, H, W] float32, larger is nearer */
  depth?: Omit<DepthMap, 'path'>;
  /** the clip before an edit, with as many frames and perhaps depth, and the instruction for the edit */
  edit?: { source: Frames; sourceDepth?: Omit<DepthMap, 'path'> | null; instruction: string };
}

/** @throws InputError unless the value is a data set */
export function checkDataset(value: unknown, where: string): asserts value is Dataset {
  const { length, at } = (value ?? {}) as Partial<Dataset>;
  if (Number.isSafeInteger(length) && length! > 0 && typeof at === 'function') return;
  throw new InputError(
    `${where}: must have a length of 1 or more and a function at(index) that returns a sample`,
  );
}

/**
 * The sample at an index, in the form that tasks take.
 *
 * @param where   names the sample in errors
 * @throws InputError if it cannot be read, or its parts do not match
 */
export async function sampleAt(dataset: Dataset, index: number, where: string): Promise<Sample> {
  let found: DatasetSample;
  try {
    found = await dataset.at(index);
  } catch (cause) {
    throw new InputError(`${where}: cannot be read (${(cause as Error)?.message ?? cause})`, {
      cause,
    });
  }
  const { clip, caption = '', depth = null, edit = null } = found ?? {};
  if (!clip) throw new InputError(`${where}: must have a clip, got none`);
  expectFrames(`${where}: clip`, clip);
  if (typeof caption !== 'string') throw new InputError(`${where}: caption must be text`);
  if (edit) {
    expectFrames(`${where}: edit.source`, edit.source);
    expectSameLength(`${where}: edit.source`, edit.source, clip);
    if (typeof edit.instruction !== 'string' || edit.instruction.trim() === '') {
      throw new InputError(`${where}: edit.instruction must be text`);
    }
  }
  if (depth) expectDepth(`${where}: depth`, depth, clip);
  if (edit?.sourceDepth) expectDepth(`${where}: edit.sourceDepth`, edit.sourceDepth, clip);
  return {
    clip,
    depth: depth && { ...depth, path: where },
    // an instruction does not describe what the result shows
    caption: edit ? '' : caption,
    edit: edit && {
      ...edit,
      sourceDepth: edit.sourceDepth ? { ...edit.sourceDepth, path: where } : null,
    },
  };
}

function expectDepth(where: string, depth: Omit<DepthMap, 'path'>, clip: Frames): void {
  expectSameLength(where, depth, clip);
  const { width, height, numFrames, data } = depth;
  if (data.length !== width * height * numFrames) {
    throw new InputError(
      `${where} must be [F, H, W] = [${numFrames}, ${height}, ${width}], got ${data.length} values`,
    );
  }
  if (data.every(Number.isFinite)) return;
  throw new InputError(`${where} must be finite, got NaN or an infinite value`);
}

function expectSameLength(where: string, part: { numFrames: number }, clip: Frames): void {
  if (part.numFrames === clip.numFrames) return;
  throw new InputError(
    `${where}: must have as many frames as the clip (${clip.numFrames}), got ${part.numFrames}`,
  );
}
