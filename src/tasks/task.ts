/** What a task is: one declaration, read by training and by use. */
import type { RandomStream } from '../data/random.js';
import type { Frames, Mask } from '../media/index.js';
import type { Given } from './condition.js';

/** What a user brings; files are read already. */
export interface UserInput {
  media: Frames[];
  mask: Mask | null;
  /** frames at the joint of each clip and what is made; default: 8 */
  joints?: readonly number[];
}

/** What a user can bring: a picture or a clip. */
export type InputKind = 'image' | 'video';

export interface Task {
  id: string;
  /** one phrase for help texts */
  summary: string;
  /** appended to the prompt as `#task: …`, since some conditions look alike */
  promptTag: string;
  /** what is made: an image is a clip of one frame */
  result: InputKind;
  /** what a user must give besides the prompt, in this order */
  inputs: readonly InputKind[];
  mask: 'needed' | 'none';
  /**
   * the result's size unless one is asked for: the pipeline's; of the pipeline's area, in the shape
   * of the input; the input's; or a multiple of it
   */
  size: 'pipeline' | 'shape of input' | 'input' | 'larger';
  /** the result has as many frames as the input, and its rate */
  followsInput: boolean;
  /** training: what of a whole clip is given, by the paper's ranges (A.3); null: needs pairs of clips */
  fromClip: ((clip: Frames, random: RandomStream) => Given) | null;
  /** use: the same, from what a user brings; `numFrames` is the result's */
  fromInput(input: UserInput, numFrames: number): Given;
  /**
   * what of the input is put back into the result: its known pixels, or, where the input is a
   * smaller picture of the whole result, what that shows
   */
  keeps: 'nothing' | 'known pixels' | 'coarse picture';
}
