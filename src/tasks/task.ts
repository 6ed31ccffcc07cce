/** What a task is: one declaration, read by training and by use. */
import type { RandomStream } from '../data/random.js';
import type { Frames, Mask, Media } from '../media/index.js';
import type { Given } from './condition.js';

/** What a user brings; files are read already. */
export interface UserInput {
  media: Media[];
  mask: Mask | null;
}

export interface Task {
  id: string;
  /** one phrase for help texts */
  summary: string;
  /** appended to the prompt as `#task: …`, since some conditions look alike */
  promptTag: string;
  /** what is made: an image is a clip of one frame */
  result: 'image' | 'video';
  /** what a user must give besides the prompt */
  input: { media: 'image' | 'video' | null; mask: boolean };
  /** the result has the input's frames, and its size unless another is asked for */
  followsInput: boolean;
  /** training: what of a whole clip is given, by the paper's ranges (A.3) */
  fromClip(clip: Frames, random: RandomStream): Given;
  /** use: the same, from what a user brings; `numFrames` is the result's */
  fromInput(input: UserInput, numFrames: number): Given;
  /**
   * what of the input is put back into the result: its known pixels, or, where the input is a
   * smaller picture of the whole result, what that shows
   */
  keeps: 'nothing' | 'known pixels' | 'coarse picture';
}
