/** What a dry run says of files: their buckets, the mix of tasks that they come to, what is left out. */
import type { CaptionLimit } from '../data/caption-length.js';
import { type Recipe, type Stage, stagesOf } from '../train/config.js';
import {
  bucketReport,
  openSources,
  sourceOpener,
  stageSet,
  taskShares,
} from '../train/feed/index.js';
import { cutCaptionLines, leftOutLines } from '../train/left-out.js';
import { captionLimitFor } from '../train/trainee.js';
import { progressReporter } from './report-progress.js';
import { aligned } from './table.js';

/** Rows that are shown of a stage's buckets: the fullest. */
const SHOWN = 12;

/**
 * Reads and measures the files of a recipe; says nothing of MiniWorld, whose scenes are all alike.
 * @throws InputError if a source cannot be read, or holds nothing for a stage's tasks
 */
export async function dataLinesOf(
  recipe: Recipe,
  open = openSources,
): Promise<(stage: Stage) => string[]> {
  const lines = new Map<string, string[]>();
  const { validationSamples } = recipe;
  const report = progressReporter();
  let limit: CaptionLimit | null = null;
  const openOnce = sourceOpener({ validationSamples, report }, open);
  for (const stage of stagesOf(recipe)) {
    if (stage.data.every(({ miniworld }) => miniworld)) continue;
    const { sources, skipped, notes } = await openOnce(stage.data);
    limit ??= captionLimitFor(recipe);
    const set = stageSet(sources, stage);
    const samples = (['image', 'clip'] as const).flatMap((kind) =>
      set[kind].flatMap(({ buckets }) =>
        buckets.flatMap(({ entries }) => entries.map(({ facts }) => ({ kind, facts }))),
      ),
    );
    const { rows, waste, cropped } = bucketReport(samples, stage);
    const shares = taskShares(set);
    const tasks = [...shares.image, ...shares.clip];
    lines.set(stage.name, [
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
      ...(rows.length > SHOWN ? [`    and ${rows.length - SHOWN} buckets more`] : []),
      `  tasks: ${tasks.map(([id, share]) => `${id} ${percent(share)}`).join(', ')}`,
      ...leftOutLines({ skipped, notes }).map((line) => `  ${line}`),
      ...cutCaptionLines(sources, limit).map((line) => `  ${line}`),
    ]);
  }
  return (stage) => lines.get(stage.name) ?? [];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
