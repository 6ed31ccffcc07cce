/** What a task is: one declaration, read by training and by use. */
import type { RandomStream } from '../data/random.js';
import type { Sample } from '../data/sources/sample.js';
import type { DepthMap, Frames, Mask } from '../media/index.js';
import type { ConditionInputs } from './condition.js';

/** What a user brings; files are read already. */
export interface UserInput {
  /** pictures and clips, in the order of the task's inputs; depth is not among them */
  media: readonly Frames[];
  mask: Mask | null;
  /** of a task whose input is depth: that */
  depth?: DepthMap;
  /** frames at the joint of each clip and what is made; default: 8 */
  joints?: readonly number[];
}

/** What a user can bring: a picture, a clip, or depth (a gray picture or clip, white = near). */
export type InputKind = 'image' | 'video' | 'depth';

/** What a sample must be or bring for a task. */
export interface Needs {
  /** frames of a clip, at least */
  frames?: number;
  /** words of its caption, at least */
  captionWords?: number;
  /** no watermark and no text in the picture: the model would learn to draw them */
  clean?: true;
  /** at least as large as what is trained */
  large?: true;
  /** sharp: what is made of it is finer detail */
  sharp?: true;
  /** colours, not shades of gray */
  colourful?: true;
  /** something moves */
  moves?: true;
  /** its depth */
  depth?: true;
  /** what it was before an edit, and the instruction */
  edit?: true;
}

export interface Task {
  id: string;
  /** one phrase for help texts */
  summary: string;
  /** appended to the prompt as `#task: …`, since some conditions look alike */
  promptTag: string;
  /** what is made: an image is a clip of one frame */
  result: 'image' | 'video';
  /** what a user must give besides the prompt, in this order */
  inputs: readonly InputKind[];
  /** what a user may give after that */
  optionalInputs: readonly InputKind[];
  /** what says where something is to be made: a mask; a mask, or how far the picture is to grow */
  mask: 'none' | 'hole' | 'margins';
  /**
   * the result's size unless one is asked for: the pipeline's; of the pipeline's area, in the shape
   * of the input; the input's; or a multiple of it
   */
  size: 'pipeline' | 'shape of input' | 'input' | 'larger';
  /** the result has as many frames as the input, and its rate */
  followsInput: boolean;
  /** training: what a sample must be or bring to be used for it */
  needs: Needs;
  /** training: how often it is drawn, relative to others that a sample qualifies for */
  weight: number;
  /** training: the sample's caption is the prompt, or what was asked for when it was changed */
  prompt: 'caption' | 'instruction';
  /** training: what of a sample is given, by the paper's ranges (A.3) */
  fromSample(sample: Sample, random: RandomStream): ConditionInputs;
  /** use: the same, from what a user brings; `numFrames` is the result's */
  fromInput(input: UserInput, numFrames: number): ConditionInputs;
  /**
   * what of the input is put back into the result: its known pixels; where the input is a smaller
   * picture of the whole result, what that shows; or how bright each pixel is
   */
  keeps: 'nothing' | 'known pixels' | 'coarse picture' | 'brightness';
  /**
   * how a result longer than the pipeline's is made, window after window. Of what is made already,
   * the next window is given: its last frames, as the beginning of a clip that goes on; those that
   * both have in common, without a hole; the last one, as its first; or nothing, and the frames in
   * common are cross-faded
   */
  windows: 'goes on' | 'filled' | 'first frame' | 'cross-faded';
}
