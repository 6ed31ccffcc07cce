/** The stages of a recipe, in full. Apart from the schema, as it needs the tasks and so LibTorch, unlike help. */
import { allTasks } from '../../tasks/table.js';
import type { Task } from '../../tasks/task.js';
import { onlyDistils, type Recipe, type Stage } from './config.js';
import { Alignment, TokenRouting } from './levers-config.js';

/** Images first and then mostly clips, unless all tasks make one kind. */
function withImageShare(stage: Partial<Stage>): Stage {
  const { tasks, ownTasks } = stage;
  const known = allTasks(ownTasks);
  const ids = tasks ? Object.keys(tasks) : known.map(({ id }) => id);
  const results = new Set(ids.map((id) => known.find((task) => task.id === id)?.result));
  const [only] = results.size === 1 ? results : [];
  const byKind = only === 'image' ? [1, 1] : only === 'video' ? [0, 0] : [1, 0.1];
  return { ...stage, imageShare: stage.imageShare ?? byKind } as Stage;
}

/**
 * The stages of the transformer's training with every key filled in; a plan without stages is itself
 * the only one, and without a plan there are none. `readRecipe` checks that each has its steps. A
 * distillation is the last stage.
 *
 * @param ownTasks   tasks beside those of mfm, for callers that look at a stage's tasks
 */
export function stagesOf(recipe: Recipe, ownTasks: readonly Task[] = []): Stage[] {
  const { transformer, distillation, data, depth } = recipe;
  if (!transformer) return [];
  const { stages, ...shared } = transformer;
  const plans = (stages ?? [{ name: 'all' }]).map(
    (changes): Partial<Stage> => ({ data, depth, ...shared, ...changes, ownTasks }),
  );
  const all = plans.map(withImageShare);
  if (!distillation) return all;
  const { inferenceSteps, flowShare, cleanShare, difference, velocity, guidance, ...changes } =
    distillation;
  const { maxSeconds, milestoneEverySteps } = changes;
  const last = withImageShare({
    ...plans.at(-1)!,
    ...changes,
    // an absent one is none, not the other part's
    maxSeconds,
    milestoneEverySteps,
    // what makes samples teach more belongs to the training of the teacher
    tokenRouting: TokenRouting.parse({}),
    alignment: Alignment.parse({}),
    contrast: 0,
    name: 'distillation',
    distillation: { inferenceSteps, flowShare, cleanShare, difference, velocity, guidance },
  });
  return onlyDistils(recipe) ? [last] : [...all, last];
}
