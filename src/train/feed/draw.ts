/** Draws how a sample is used: its task, its prompt, and whether it has a condition. */
import { editOf } from '../../data/miniworld/edit.js';
import { captionOf } from '../../data/miniworld/index.js';
import { drawWeighted, RandomStream } from '../../data/random.js';
import {
  hasCondition,
  promptFor,
  type SampleWords,
  type Target,
  type Task,
  taggedPrompt,
} from '../../tasks/index.js';
import type { Stage } from '../recipe/config.js';
import { type DepthOrigin, depthOrigin } from './encode/depth-origin.js';
import { sceneOf } from './items/scenes.js';
import type { SourceItem } from './sources.js';
import type { Entry } from './stage-set.js';

export interface Drawn {
  task: Task;
  caption: string;
  /** '' if text dropout removed it */
  prompt: string;
  /** does it have a condition beside the prompt? */
  conditioned: boolean;
  /** where the depth in that condition comes from; null: it has none, or it was left out */
  depth: DepthOrigin | null;
}

/**
 * Draws the use of one sample in a batch.
 *
 * @param label     label of the random stream: the batch, and the place in it
 * @param factors   of the tasks' weights, by task; 1 for those that are not named
 */
export function drawUse(
  { item, tasks }: Entry,
  target: Target,
  stage: Pick<Stage, 'textDropout' | 'conditionDropout' | 'depth'>,
  {
    seed,
    label,
    factors = null,
  }: { seed: number; label: string; factors?: Readonly<Record<string, number>> | null },
): Drawn {
  const random = new RandomStream(seed, label);
  const weighted = factors
    ? tasks.map(({ task, weight }) => ({ task, weight: weight * (factors[task.id] ?? 1) }))
    : tasks;
  const { task } = drawWeighted(random, weighted);
  // now and then without prompt, or without condition: guidance needs both
  const silent = random.chance(stage.textDropout[task.result]);
  const blind = random.chance(stage.conditionDropout);
  // the negative prompt of guidance goes without depth, and so do users without a depth model
  const flat = random.chance(stage.depth.dropout) && !task.needs.depth;
  const use = useFor(task, item, target, stage);
  return {
    ...use,
    prompt: silent ? '' : use.prompt,
    conditioned: use.conditioned && !blind,
    depth: flat ? null : use.depth,
  };
}

/** The same, with nothing dropped. */
export function useFor(
  task: Task,
  item: SourceItem,
  target: Target,
  stage: Pick<Stage, 'depth'>,
): Drawn {
  const caption = promptFor(task, wordsOf(item, target));
  const prompt = taggedPrompt(caption, task);
  const conditioned = hasCondition(task);
  return { task, caption, prompt, conditioned, depth: depthOrigin(item, task, stage.depth) };
}

function wordsOf({ origin }: SourceItem, { numFrames }: Target): SampleWords {
  if (origin.kind === 'file') {
    const { prompt, target } = origin.item;
    return target
      ? { caption: '', edit: { instruction: prompt } }
      : { caption: prompt, edit: null };
  }
  if (origin.kind === 'sample') {
    const { caption, instruction } = origin;
    return { caption, edit: instruction === null ? null : { instruction } };
  }
  const scene = sceneOf(origin);
  return {
    caption: captionOf(scene, numFrames),
    get edit() {
      return editOf(scene);
    },
  };
}
