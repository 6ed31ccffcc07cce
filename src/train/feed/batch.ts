/** What training takes at a step: samples of one size and length, each with its task. */
import type { Frames } from '../../media/index.js';
import type { ConditionInputs, Target, Task } from '../../tasks/index.js';
import type { Tensor } from '../../tensor/index.js';

export interface TrainSample {
  /** `clips.jsonl:3`, `miniworld clip 17` */
  where: string;
  /** its place in the whole batch of the step, over all processes: its noise follows from that */
  index: number;
  task: Task;
  /** what is asked for, in words */
  caption: string;
  /** the same with the task's tag; '' where it is left out */
  prompt: string;
  /** fitted to the batch's size; null: nothing is known but the prompt */
  given: ConditionInputs | null;
  /** [1, C, f, h, w] bfloat16 in the transformer's scale */
  latents: Tensor;
  motionScore: number;
  /** of one that is measured on: it is trained on as well, as none is kept out for its task */
  trainedOn?: boolean;
  /** of one that is measured on: its own pixels at the batch's size; null: they cannot be read */
  picture?: () => Promise<Frames | null>;
}

/** The batch of a step, or this process's part of it. */
export interface StepBatch {
  kind: 'image' | 'clip';
  target: Target;
  /** those of this process: every `worldSize`-th of the whole batch */
  samples: TrainSample[];
  /** samples of the whole batch, over all processes */
  count: number;
  /** latent patches of a sample */
  tokens: number;
  /** where the feed stands after this batch; plain JSON */
  position: FeedPosition;
}

/** From here on a feed gives the same batches again. */
export interface FeedPosition {
  /** batches taken */
  step: number;
  [more: string]: unknown;
}

/** Batches in their order, made ahead of their use. */
export interface Feed {
  /** The next batch. @throws InputError if nothing at all can be read any more */
  next(): Promise<StepBatch>;
  close(): Promise<void>;
}
