/** `mfm train --dry-run`: the parts of a run, and the mix of tasks that its data come to. */
import type { MixEntry, Task } from '../tasks/index.js';
import type { Optimisation, Recipe } from '../train/config.js';
import { formatDuration } from './progress.js';

export interface DryRunOptions {
  recipe: Recipe;
  /** pipeline folder whose weights the run would start from */
  init?: string;
  /** of the run */
  folder: string;
}

/** What a run would be, in words; its networks are built to count their parameters. */
export async function dryRun(options: DryRunOptions): Promise<string> {
  const { recipe, folder } = options;
  const { width, height } = recipe.miniworld;
  return [
    `${recipe.name}: ${width}x${height}, nothing is trained; the run would be ${folder}`,
    '',
    ...table(await partRows(options)),
    ...(await mixLines(recipe)),
    '',
  ].join('\n');
}

/** Rows of part, how long, from what, parameters. */
async function partRows({ recipe, init }: DryRunOptions): Promise<string[][]> {
  const { buildAutoencoder } = await import('../train/autoencoder.js');
  const { buildPipeline } = await import('../train/transformer.js');
  const model = buildAutoencoder(recipe, 'float32');
  const { transformer, textEncoder } = buildPipeline(recipe, model, 'float32', 0).pipeline;
  const { autoencoder, latents, transformer: plan } = recipe;
  const origin = (from?: string) => (from ? `from ${from}` : 'from scratch');
  const { adapter } = plan;
  return [
    [
      'autoencoder',
      autoencoder.from ? 'not trained' : lengthOf(autoencoder),
      origin(autoencoder.from ?? init),
      millions(model.parameterCount()),
    ],
    ['latents', `${latents.clips} clips of ${latents.numFrames} frames, ${latents.images} images`],
    ...(adapter
      ? [['adapter', lengthOf(adapter), '', millions(transformer.condConv.parameterCount())]]
      : []),
    [
      'transformer',
      lengthOf(plan),
      origin(plan.from ?? init),
      `${millions(transformer.parameterCount())}, and ${millions(textEncoder.parameterCount())} of the text encoder`,
    ],
  ];
}

/** Both kinds of batches with their tasks. */
async function mixLines(recipe: Recipe): Promise<string[]> {
  const { lacking, meanImageShare, mixOf } = await import('../train/mix.js');
  const { TASKS } = await import('../tasks/index.js');
  const { imageBatchSize, clipBatchSize, imageShare, mixAt, tasks } = recipe.transformer;
  const share = meanImageShare(recipe);
  const { image, video } = mixOf(recipe);
  const [first, last] = imageShare.map(percent);
  const course =
    mixAt === 0 || first === last
      ? ''
      : ` (from ${first}, ${last} after ${percent(mixAt)} of the run)`;
  const lines = [
    '',
    `images: ${percent(share)} of the steps${course}, ${imageBatchSize} in each`,
    ...mixTable(image, share),
    '',
    `clips: ${percent(1 - share)} of the steps, ${clipBatchSize} in each`,
    ...mixTable(video, 1 - share),
  ];
  // a recipe that names such a task is refused
  const leftOut = tasks ? [] : Object.values<Task>(TASKS).filter((one) => lacking(one, recipe)[0]);
  for (const task of leftOut) {
    lines.push(`${task.id}: is left out (${lacking(task, recipe).join(', ')})`);
  }
  return lines;
}

function mixTable(entries: MixEntry[], stepShare: number): string[] {
  if (entries.length === 0) return ['  no task'];
  return table([
    ['task', 'weight', 'share', 'of all steps'],
    ...entries.map(({ task, weight, share }) => [
      task.id,
      String(weight),
      percent(share),
      percent(share * stepShare),
    ]),
  ]);
}

const lengthOf = ({ steps, maxSeconds }: Optimisation): string =>
  `${steps} steps${maxSeconds ? `, at most ${formatDuration(maxSeconds)}` : ''}`;

const millions = (count: number): string => `${(count / 1e6).toFixed(2)} M parameters`;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Lines of columns. */
function table(rows: string[][]): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    // what stands alone in its row may reach over the next columns
    Math.max(...rows.map((row) => (i === row.length - 1 ? 0 : (row[i]?.length ?? 0)))),
  );
  return rows.map((row) =>
    `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd(),
  );
}
