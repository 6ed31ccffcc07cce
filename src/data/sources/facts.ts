/** The facts about one sample of a data set that decide for which tasks it can be used. */

export interface SampleFacts {
  kind: 'image' | 'clip';
  /** drawn at its size, so that it has all of its detail however small it is */
  isDrawn?: true;
  width: number;
  height: number;
  /** 1 for an image */
  numFrames: number;
  /**
   * number of words in its caption; 0 if it has none, or only
   * an instruction, which does not describe it
   */
  captionWords: number;
  /** variance of the Laplacian of luma (0..255), mean over frames; null: not measured */
  sharpness: number | null;
  /** mean magnitude of the optical flow in pixels per frame; 0 for an image, null: not measured */
  motionScore: number | null;
  /** whether it has colours to learn from; null: not measured */
  colourful: boolean | null;
  /** the picture contains a watermark, or much text */
  watermark: boolean;
  text: boolean;
  /** whether it comes with the mask of an object, depth, or the picture before an edit */
  hasMask: boolean;
  hasDepth: boolean;
  hasEditSource: boolean;
}
