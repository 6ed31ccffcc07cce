/** A task's declaration, which both training and generation read. */
import type { RandomStream } from '../data/random.js';
import type { Sample } from '../data/sources/sample.js';
import type { DepthMap, Frames, Mask } from '../media/index.js';
import type { ConditionInputs } from './condition-inputs.js';
import type { Mixture } from './mixture-config.js';

/** A user's inputs, with their files already read. */
export interface UserInput {
  /** pictures and clips, in the order of the task's inputs, without depth */
  media: readonly Frames[];
  mask: Mask | null;
  /** the depth input, for tasks that take one */
  depth?: DepthMap;
  /** frames from which it is to be estimated instead */
  depthFrom?: Frames;
  /** known frames where each clip meets the generated part; default: as in training */
  joints?: readonly number[];
  /** for tasks that are `placed`: what the user knows, at its places */
  placed?: Pick<ConditionInputs, 'known' | 'geometry'>;
}

/** Kinds of input: a picture, a clip, or depth (a gray picture or clip, white = near). */
export type InputKind = 'image' | 'video' | 'depth';

/** What a sample must be or have to be used for a task. */
export interface Needs {
  /** the fewest frames of a clip */
  frames?: number;
  /** the fewest words of its caption */
  captionWords?: number;
  /** no watermark and no text in the picture: the model would learn to draw them */
  clean?: true;
  /** at least as large as the clips that are trained on */
  large?: true;
  /** sharp, as the model learns fine detail from it */
  sharp?: true;
  /** colours, not shades of gray */
  colourful?: true;
  /** something moves */
  moves?: true;
  /** it has depth */
  depth?: true;
  /** it has a picture or clip from before an edit, and the instruction */
  edit?: true;
}

export interface Task {
  id: string;
  /** one phrase for help texts */
  summary: string;
  /** appended to the prompt as `#task: …`, since some conditions look alike */
  promptTag: string;
  /** kind of the result; an image is a clip of one frame */
  result: 'image' | 'video';
  /** inputs that a user must give besides the prompt, in this order */
  inputs: readonly InputKind[];
  /** inputs that a user may give after those */
  optionalInputs: readonly InputKind[];
  /**
   * instead of inputs, it takes pictures and clips at any places of the time line, and depth of any
   * frames
   */
  placed: boolean;
  /** what defines the part to generate: nothing; a mask; or a mask or margins to extend the picture by */
  mask: 'none' | 'hole' | 'margins';
  /**
   * the result's size unless one is asked for: the pipeline's; the pipeline's area in the input's
   * shape; the input's; or a multiple of the input's
   */
  size: 'pipeline' | 'shape of input' | 'input' | 'larger';
  /** the result has the input's number of frames and frame rate */
  followsInput: boolean;
  /** training: what a sample must be or have to be used for this task */
  needs: Needs;
  /** training: how often it is drawn, relative to the other tasks that a sample qualifies for */
  weight: number;
  /** training: the prompt is the sample's caption, or the instruction of its edit */
  prompt: 'caption' | 'instruction';
  /**
   * training: condition inputs drawn from a sample, within the paper's ranges (A.3); `mixture` is the
   * recipe's distribution, for tasks that are `placed`
   */
  fromSample(sample: Sample, random: RandomStream, mixture?: Mixture): ConditionInputs;
  /** generation: condition inputs from a user's inputs; `numFrames` is the result's */
  fromInput(input: UserInput, numFrames: number): ConditionInputs;
  /**
   * what of the input is put back into the result: nothing; its known pixels; its coarse picture, if
   * the input is a smaller version of the result; the brightness of each pixel; or of each known part
   * the one of these that it shows
   */
  keeps: 'nothing' | 'known pixels' | 'coarse picture' | 'brightness' | 'each part';
  /**
   * how a result longer than the pipeline's length is generated, window by window. The next window
   * is given, from the previous one: its last frames, as the beginning of a clip to continue; the
   * shared frames, with their hole filled; its last frame, as the first one; or nothing, and the
   * shared frames are cross-faded
   */
  windows: 'goes on' | 'filled' | 'first frame' | 'cross-faded';
}

/** Does a task have a condition beside the prompt? */
export const hasCondition = ({ inputs, placed }: Pick<Task, 'inputs' | 'placed'>): boolean =>
  placed || inputs.length > 0;

/** Can the condition adapter be trained alone with it? It learns from whole clips. */
export const trainsAdapter = (task: Pick<Task, 'inputs' | 'placed' | 'result'>): boolean =>
  task.result === 'video' && hasCondition(task);

/** The task, as it makes a result of this length: a mixture of a single frame is an image. */
export const taskOfLength = <T extends Pick<Task, 'placed' | 'result'>>(
  task: T,
  numFrames: number | undefined,
): T => (task.placed && numFrames === 1 ? { ...task, result: 'image' } : task);
