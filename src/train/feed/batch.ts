/** The batch of a training step: samples of one size and length, each with its task. */
import type { Frames } from '../../media/index.js';
import type { ConditionInputs, Target, Task } from '../../tasks/index.js';
import type { Tensor } from '../../tensor/index.js';

export interface TrainSample {
  /** `clips.jsonl:3`, `miniworld clip 17` */
  where: string;
  /** its place in the whole batch of the step, over all processes; its noise follows from it */
  index: number;
  task: Task;
  /** the caption or instruction, without the task's tag */
  caption: string;
  /** the caption with the task's tag; '' if text dropout removed it */
  prompt: string;
  /** condition inputs, fitted to the batch's size; null if only the prompt is known */
  given: ConditionInputs | null;
  /** [1, C, f, h, w] bfloat16, in the transformer's scale */
  latents: Tensor;
  motionScore: number;
  /** of a scene, [L, C]: what each token shows, see `sceneLabels`; default: not known */
  labels?: Float32Array | null;
  /** of a validation sample: it is also trained on, as no sample is held out for its task */
  trainedOn?: boolean;
  /** of a validation sample: its own pixels at the batch's size; null if they cannot be read */
  picture?: () => Promise<Frames | null>;
}

/** The batch of a step, or this process's part of it. */
export interface StepBatch {
  kind: 'image' | 'clip';
  target: Target;
  /** the samples of this process: every `worldSize`-th of the whole batch */
  samples: TrainSample[];
  /** number of samples in the whole batch, over all processes */
  count: number;
  /** tokens (latent patches) per sample */
  tokens: number;
  /** the position of the feed after this batch; plain JSON */
  position: FeedPosition;
}

/** A position in a feed: from it, a feed gives the same batches again. */
export interface FeedPosition {
  /** number of batches taken */
  step: number;
  [more: string]: unknown;
}

/** Batches in order, prepared ahead of their use. */
export interface Feed {
  /** The next batch. @throws InputError if no sample can be read any more */
  next(): Promise<StepBatch>;
  close(): Promise<void>;
}
