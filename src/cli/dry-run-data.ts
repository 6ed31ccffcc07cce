/** What a dry run says of files: their buckets, the mix of tasks that they come to, what is left out. */
import { type Recipe, type Source, type Stage, stagesOf } from '../train/config.js';
import {
  bucketReport,
  type OpenedSources,
  openSources,
  stageSet,
  taskShares,
} from '../train/feed/index.js';
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
  const opened = new Map<string, OpenedSources>();

  /** Stages name the same files, perhaps by other weights: they are measured once. */
  async function openOnce({ weight, ...what }: Source): Promise<OpenedSources> {
    const key = JSON.stringify(what);
    const report = progressReporter();
    const found =
      opened.get(key) ?? (await open([{ ...what, weight }], { validationSamples, report }));
    opened.set(key, found);
    return { ...found, sources: found.sources.map((source) => ({ ...source, weight })) };
  }

  for (const stage of stagesOf(recipe)) {
    if (stage.data.every(({ miniworld }) => miniworld)) continue;
    const parts: OpenedSources[] = [];
    for (const source of stage.data) parts.push(await openOnce(source));
    const skipped = parts.flatMap((part) => part.skipped);
    const set = stageSet(
      parts.flatMap(({ sources }) => sources),
      stage,
    );
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
      ...skipped.slice(0, 5).map(({ reason }) => `  left out: ${reason}`),
      ...(skipped.length > 5 ? [`  and ${skipped.length - 5} files more are left out`] : []),
    ]);
  }
  return (stage) => lines.get(stage.name) ?? [];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
