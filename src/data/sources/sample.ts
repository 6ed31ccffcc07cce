/** A training sample. */
import type { DepthMap, Frames } from '../../media/index.js';

/** A sample of a data set as training uses it; `clip` is the target. */
export interface Sample {
  /** an image is a clip of one frame */
  clip: Frames;
  caption: string;
  /** depth of every frame of the clip; null if unknown */
  depth: DepthMap | null;
  /**
   * the clip before an edit (the same number of frames, any size), its depth if it is known, and the
   * instruction
   */
  edit: { source: Frames; sourceDepth?: DepthMap | null; instruction: string } | null;
}
