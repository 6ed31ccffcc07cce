/** What a data set gives for one step of training. */
import type { DepthMap, Frames } from '../../media/index.js';

/** A sample of a data set, as training has it; `clip` is what is to be made. */
export interface Sample {
  /** an image is a clip of one frame */
  clip: Frames;
  caption: string;
  /** of every frame of the clip; null: not known */
  depth: DepthMap | null;
  /** what the clip was before it was changed, as many frames of any size, and what was asked for */
  edit: { source: Frames; instruction: string } | null;
}
