/** What is known of one sample of a data set: enough to say which tasks it can be trained on. */

export interface SampleFacts {
  kind: 'image' | 'clip';
  width: number;
  height: number;
  /** 1 for an image */
  numFrames: number;
  /** words of its caption, which says what it shows (an instruction does not); 0: it has none */
  captionWords: number;
  /** variance of the Laplacian of luma (0..255), mean over frames; null: not measured */
  sharpness: number | null;
  /** mean length of the optical flow, pixels a frame; 0 for an image, null: not measured */
  motionScore: number | null;
  /** has it colours to learn from? null: not measured */
  colourful: boolean | null;
  /** a watermark, or much text, is in the picture */
  watermark: boolean;
  text: boolean;
  /** what comes with it: a mask of an object, depth, and the picture before an edit */
  hasMask: boolean;
  hasDepth: boolean;
  hasEditSource: boolean;
}
