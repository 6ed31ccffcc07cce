/** How many samples qualify for each task of a stage, and why the others do not. */
import { listProblems } from '../../check-config.js';
import type { SampleFacts } from '../../data/sources/facts.js';
import { InputError } from '../../errors.js';
import { lackOf, type TaskTally, tallyLines, tallyTask, weightedTasks } from '../../tasks/index.js';
import { isUsedFor, type Stage } from '../recipe/config.js';
import { targetOf } from './buckets.js';
import { factsAt, type OpenedSource } from './sources.js';
import type { SampleKind } from './stage-set.js';

/** The tallies, in the order of the stage's tasks. */
export function stageTallies(sources: readonly OpenedSource[], stage: Stage): TaskTally[] {
  const minSide = Math.min(stage.width, stage.height);
  const facts = new Map(
    sources.map((source) => [
      source,
      { image: factsOf(source, 'image', stage), clip: factsOf(source, 'clip', stage) },
    ]),
  );
  return weightedTasks(stage.tasks, stage.ownTasks).map((one) => {
    const kind = one.task.result === 'image' ? 'image' : 'clip';
    const used = sources.filter((source) => isUsedFor(one.task.id, source));
    return tallyTask(
      one,
      used.flatMap((source) => facts.get(source)![kind]),
      { minSide },
    );
  });
}

/** The facts by which `stageSet` judges samples, with the number of samples that have them. */
function factsOf(
  { items }: OpenedSource,
  kind: SampleKind,
  stage: Stage,
): (readonly [SampleFacts, number])[] {
  const used = (facts: SampleFacts): SampleFacts => {
    if (kind === 'image' || facts.kind === 'image') return facts;
    const numFrames = targetOf(facts, 'clip', stage)?.numFrames;
    return { ...facts, numFrames: numFrames ?? Math.min(facts.numFrames, stage.numFrames) };
  };
  const files = items.filter(({ origin }) => origin.kind !== 'scene');
  // unlike the clip of a file, a scene that is drawn as a clip does not count as an image
  const scenes = items.filter((item) => item.origin.kind === 'scene' && item.kind === kind);
  return [
    ...files.map((item) => [used(factsAt(item, stage)), 1] as const),
    ...scenes.slice(0, 1).map((scene) => [used(factsAt(scene, stage)), scenes.length] as const),
  ];
}

/**
 * A distillation names the tasks that its pipeline knows, which need not all have samples.
 * @throws InputError naming the tasks that the recipe names and no sample qualifies for
 */
export function expectSamples(
  tallies: readonly TaskTally[],
  stage: Stage,
  sources: readonly OpenedSource[],
): void {
  if (!stage.tasks) return;
  const without = tallies.filter(({ samples }) => samples === 0);
  if (without.length === 0) return;
  if (stage.distillation && without.length < tallies.length) return;
  const names = sources.map(({ name }) => name).join(', ');
  const problems = without.map(
    (tally) =>
      `tasks.${tally.task.id}: none of ${tally.of} samples of ${names} qualifies (${lackOf(tally)}); leave the task out or add such samples`,
  );
  if (problems.length === 1) throw new InputError(`${stage.name}: ${problems[0]}`);
  throw new InputError(listProblems(stage.name, problems));
}

/** Sentences about a stage's tasks, to show before it is trained. */
export function stageLines(tallies: readonly TaskTally[], { imageShare }: Stage): string[] {
  const has = (result: 'image' | 'video') =>
    tallies.some(({ task, samples }) => task.result === result && samples > 0);
  const lines = tallyLines(tallies);
  if (!has('video') && imageShare.some((share) => share < 1)) {
    lines.push(
      'no sample can be used as a clip, so every batch has only images, whatever imageShare says',
    );
  }
  if (!has('image') && imageShare.some((share) => share > 0)) {
    lines.push(
      'no sample can be used as an image, so every batch has only clips, whatever imageShare says',
    );
  }
  return lines;
}
