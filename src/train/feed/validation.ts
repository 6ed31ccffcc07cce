/**
 * Batches for validation: for every task the same held-out samples with the same draws, each time.
 */
import { setImmediate } from 'node:timers/promises';
import type { Frames } from '../../media/index.js';
import { tokensOf } from '../../models/latent-grid.js';
import { type Target, type Task, weightedTasks } from '../../tasks/index.js';
import type { Stage } from '../recipe/config.js';
import type { StepBatch, TrainSample } from './batch.js';
import { batchSizeOf, bucketName } from './buckets.js';
import { useFor } from './draw.js';
import type { LatentEncoder, StoredLatents } from './encode/latents.js';
import type { SampleMaker } from './maker.js';
import type { OpenedSource, SourceItem } from './sources.js';
import { type SourceSet, type StageSet, stageSet } from './stage-set.js';

export interface ValidationOptions {
  maker: SampleMaker;
  stage: Stage;
  sources: readonly OpenedSource[];
  /** largest number of samples per task */
  samples: number;
  encoder: LatentEncoder;
}

interface Chosen {
  item: SourceItem;
  target: Target;
}

/** The most samples of a task to validate on although they are trained on. */
const TRAINED_ON = 4;

/** Ids of the stage's tasks for which some samples qualify, but no held-out one. */
export function withoutHeldOut(sources: readonly OpenedSource[], stage: Stage): string[] {
  const idsOf = (part: 'items' | 'heldOut') => {
    const set = stageSet(sources, stage, part);
    const buckets = [...set.image, ...set.clip].flatMap((source) => source.buckets);
    const tasks = buckets.flatMap(({ entries }) => entries.map((entry) => entry.tasks));
    return new Set([...new Set(tasks)].flatMap((some) => some.map(({ task }) => task.id)));
  };
  const heldOut = idsOf('heldOut');
  return [...idsOf('items')].filter((id) => !heldOut.has(id));
}

/**
 * At least one batch for every task of the stage: of held-out samples or, if none of them
 * qualifies, of a few that are trained on. Prompt and condition are never dropped. A sample's
 * `index` is its place among all samples of its task, and `count` is their number.
 */
export async function* validationBatches(options: ValidationOptions): AsyncGenerator<StepBatch> {
  const { stage, sources, samples, maker, encoder } = options;
  if (samples === 0) return;
  const set = stageSet(sources, stage, 'heldOut');
  let others: StageSet | null = null;
  for (const { task } of weightedTasks(stage.tasks, stage.ownTasks)) {
    const kind = task.result === 'image' ? 'image' : 'clip';
    let chosen = choose(set[kind], task, samples);
    const trainedOn = chosen.length === 0;
    if (trainedOn) {
      others ??= stageSet(sources, stage);
      chosen = choose(others[kind], task, Math.min(samples, TRAINED_ON));
    }
    for (const places of inBatches(chosen, stage.tokensPerBatch)) {
      yield await batchOf(task, chosen, places, trainedOn);
    }
  }

  async function batchOf(
    task: Task,
    chosen: readonly Chosen[],
    places: readonly number[],
    trainedOn: boolean,
  ): Promise<StepBatch> {
    const { target } = chosen[places[0]!]!;
    const ready = await Promise.all(
      places.map(async (index) => {
        const { item } = chosen[index]!;
        const use = useFor(task, item, target, stage);
        const label = `validation ${task.id} ${item.content}`;
        const { depth } = use;
        const { mixture } = stage;
        const wanted = {
          item,
          target,
          task: use.conditioned ? task.id : null,
          depth,
          seed: 0,
          label,
          mixture,
        };
        return { index, item, use, made: await maker.prepare(wanted, encoder) };
      }),
    );
    const made: TrainSample[] = [];
    for (const { index, item, use, made: result } of ready) {
      const { where } = item;
      if ('problem' in result) continue;
      await setImmediate();
      const [{ latents, motionScore }] = maker.finish([result], encoder) as [StoredLatents];
      const { caption, prompt } = use;
      const { given } = result;
      const picture = () => pictureOf(item, target);
      made.push({
        where,
        index,
        task,
        caption,
        prompt,
        given,
        latents,
        motionScore,
        trainedOn,
        picture,
      });
    }
    return {
      kind: task.result === 'image' ? 'image' : 'clip',
      target,
      samples: made,
      count: chosen.length,
      tokens: tokensOf(target),
      position: { step: 0 },
    };
  }

  async function pictureOf(item: SourceItem, target: Target): Promise<Frames | null> {
    const made = await maker.make({ item, target, task: null, seed: 0, label: '' }, { clip: true });
    return 'problem' in made ? null : made.clip;
  }
}

/** Chooses samples of a task, one from each source in turn. */
function choose(sources: readonly SourceSet[], task: Task, count: number): Chosen[] {
  const lists = sources.map(({ buckets }) =>
    buckets.flatMap(({ target, entries }) =>
      entries
        .filter(({ tasks }) => tasks.some((one) => one.task.id === task.id))
        .map(({ item }) => ({ item, target })),
    ),
  );
  const longest = Math.max(0, ...lists.map((list) => list.length));
  const inTurn = Array.from({ length: longest }, (_, i) =>
    lists.flatMap((list) => list[i] ?? []),
  ).flat();
  return inTurn.slice(0, count);
}

/** Groups samples of the same size into batches, by their places. */
function inBatches(chosen: readonly Chosen[], tokensPerBatch: number): number[][] {
  const bySize = new Map<string, number[]>();
  chosen.forEach(({ target }, place) => {
    const name = bucketName(target);
    const list = bySize.get(name);
    if (list) list.push(place);
    else bySize.set(name, [place]);
  });
  return [...bySize.values()].flatMap((places) => {
    const size = batchSizeOf(chosen[places[0]!]!.target, tokensPerBatch);
    const count = Math.ceil(places.length / size);
    return Array.from({ length: count }, (_, i) => places.slice(i * size, (i + 1) * size));
  });
}
