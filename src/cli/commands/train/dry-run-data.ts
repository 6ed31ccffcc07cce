/** A dry run's report on data files: their buckets, the tasks they can be used for, what is left out. */
import type { CaptionLimit } from '../../../data/caption-length.js';
import type { Task, TaskTally } from '../../../tasks/index.js';
import {
  bucketReport,
  depthLines,
  expectSamples,
  openSources,
  sourceOpener,
  stageSet,
  stageTallies,
  taskShares,
} from '../../../train/feed/index.js';
import { cutCaptionLines, leftOutLines } from '../../../train/feed/left-out.js';
import { captionLimitFor } from '../../../train/networks/trained-pipeline.js';
import { type Recipe, type Stage, trainsPipeline } from '../../../train/recipe/config.js';
import { withPlannedModel } from '../../../train/recipe/depth-model.js';
import { stagesOf } from '../../../train/recipe/stages.js';
import { progressReporter } from '../../terminal/report-progress.js';
import { aligned } from '../../terminal/table.js';

/** The number of a stage's buckets that are shown, the fullest first. */
const SHOWN = 12;

/** Facts about the files of a stage. */
export interface StageData {
  /** in the order of the stage's tasks */
  tallies: TaskTally[];
  /** share of each task among the images, or the clips, that are drawn; 0..1 */
  shares: ReadonlyMap<string, number>;
  /** are there samples for tasks that produce images, or clips? */
  has: Record<'image' | 'clip', boolean>;
  /** where the depth of known frames comes from, source by source */
  depth: string[];
  /** the report's other lines */
  lines: string[];
}

/**
 * Reads and measures the files of a recipe. Gives null for stages of MiniWorld, whose scenes are all
 * alike.
 * @throws InputError if a source cannot be read, or has no samples for a stage's tasks
 */
export async function stageDataOf(
  recipe: Recipe,
  open = openSources,
  ownTasks: readonly Task[] = [],
): Promise<(stage: Pick<Stage, 'name'>) => StageData | null> {
  const found = new Map<string, StageData>();
  const { validationSamples } = recipe;
  const report = progressReporter();
  let limit: CaptionLimit | null = null;
  const openOnce = sourceOpener({ validationSamples, report }, open);
  const planned = trainsPipeline(recipe) ? withPlannedModel(recipe) : recipe;
  for (const stage of stagesOf(planned, ownTasks)) {
    if (stage.data.every(({ miniworld }) => miniworld)) continue;
    const { sources, skipped, notes } = await openOnce(stage.data);
    limit ??= captionLimitFor(recipe, ownTasks);
    const tallies = stageTallies(sources, stage);
    expectSamples(tallies, stage, sources);
    const set = stageSet(sources, stage);
    const samples = (['image', 'clip'] as const).flatMap((kind) =>
      set[kind].flatMap(({ buckets }) =>
        buckets.flatMap(({ entries }) => entries.map(({ facts }) => ({ kind, facts }))),
      ),
    );
    const { rows, waste, cropped } = bucketReport(samples, stage);
    const shares = taskShares(set);
    const lines = [
      `  buckets of files: no padding, ${percent(waste)} of the tokens unused, ${percent(cropped)} of the pictures cropped`,
      ...aligned(
        rows
          .slice(0, SHOWN)
          .map((row) => [
            `${row.width}x${row.height}`,
            `${row.numFrames} frame${row.numFrames > 1 ? 's' : ''}`,
            `${row.samples} ${row.kind}s`,
            `${row.batchSize} in a batch`,
          ]),
      ).map((line) => `    ${line}`),
      ...(rows.length > SHOWN ? [`    and ${rows.length - SHOWN} more buckets`] : []),
      ...leftOutLines({ skipped, notes }).map((line) => `  ${line}`),
      ...cutCaptionLines(sources, limit).map((line) => `  ${line}`),
    ];
    found.set(stage.name, {
      tallies,
      depth: depthLines(set, stage),
      lines,
      shares: new Map([...shares.image, ...shares.clip]),
      has: { image: set.image.length > 0, clip: set.clip.length > 0 },
    });
  }
  return ({ name }) => found.get(name) ?? null;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
