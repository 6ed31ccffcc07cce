/** A report as lines for the terminal. */
import { type Compared, contestants, MADE, type TaskReport } from '../../../eval/evaluate.js';
import { type FigureId, figureOf } from '../../../eval/figures.js';
import {
  autoencoderText,
  fewerStepRows,
  number,
  seenCells,
  signed,
  withError,
  withUnit,
} from '../../../eval/page.js';
import type { Published, Report } from '../../../eval/report-format.js';
import { aligned } from '../../terminal/table.js';

/** A line for each task; with `verbose` also all of its figures, by contestant. */
export function reportLines(
  { settings, tasks, notes, autoencoder, published }: Report,
  { verbose }: { verbose: boolean },
): string[] {
  const { made, source, trials, size, steps } = settings;
  const sees = settings.network !== null;
  const columns = `task,figure,made,best baseline,,above by,won,input,true,${sees ? 'feature distance,nearer by,' : ''}beats`;
  const head = columns.split(',');
  const lines = [
    `${made}: ${source} at ${size.width}x${size.height}, ${trials} a task; ± standard error`,
    ...aligned([head, ...tasks.map((task) => overview(task, sees))]),
  ];
  if (autoencoder)
    lines.push(`true ones through the autoencoder alone: ${autoencoderText(autoencoder)}`);
  const missed = tasks.filter(({ headline }) => headline?.beats === false);
  const judged = tasks.filter(({ headline }) => headline && headline.beats !== null);
  lines.push(`better than every baseline: ${judged.length - missed.length} of ${judged.length}`);
  const fewer = fewerStepRows(tasks);
  if (fewer.length > 0) {
    const above = ['task', 'figure', 'steps', 'made', `below ${steps} steps by`, 'PSNR to those'];
    lines.push('', ...aligned([above, ...fewer]));
  }
  if (verbose) for (const task of tasks) lines.push('', ...taskLines(task));
  if (published) {
    const rows = [...besidePublished(tasks, published)];
    lines.push('', ...aligned(rows), `* ${published.source}`);
  }
  return [...lines, ...notes];
}

/** Figures of whole clips, as published ones are. */
function* besidePublished(
  tasks: readonly TaskReport[],
  { tasks: rows }: Published,
): Generator<string[]> {
  yield ['of whole clips', '', 'PSNR, dB', 'SSIM'];
  for (const { task, figures } of tasks) {
    const made = (figure: FigureId) => {
      const value = figures.find((one) => one.figure === figure)?.values[MADE]?.value;
      return value === undefined ? '' : number(figure, value);
    };
    yield [task, MADE, made('psnr'), made('ssim')];
    for (const { system, psnr, ssim } of rows[task] ?? []) {
      yield ['', `${system} *`, psnr.toFixed(1), ssim.toFixed(3)];
    }
  }
}

function overview({ task, headline, seen }: TaskReport, sees: boolean): string[] {
  if (!headline) return [task, 'nothing to compare with'];
  const { figure, made, error, baseline, input, truth, beats } = headline;
  return [
    ...[task, withUnit(figure), withError(figure, made, error)],
    ...(baseline
      ? [
          number(figure, baseline.value),
          named(figure, baseline, made),
          signed(figure, baseline.made - baseline.value, baseline.error),
          `${baseline.won}/${baseline.count}`,
        ]
      : ['', '', '', '']),
    input ? number(figure, input.value) : '',
    isShare(figure) && truth !== null ? number(figure, truth) : '',
    ...(sees ? seenCells(seen) : []),
    beats === null ? '' : beats ? 'yes' : 'NO',
  ];
}

/** Only figures in percent say something about the true clips themselves. */
const isShare = (figure: FigureId): boolean => figureOf(figure).unit === '%';

/** The baseline's name; if it has only some of the trials, also the model's figure in those. */
function named(figure: FigureId, { name, made: there }: Compared, made: number): string {
  const [own, all] = [number(figure, there), number(figure, made)];
  return own === all ? name : `${name} (made ${own} there)`;
}

function taskLines(report: TaskReport): string[] {
  const { task, figures, trials, seconds } = report;
  const names = contestants(report);
  const rows = figures.map(({ figure, values }) => [
    `  ${withUnit(figure)}`,
    ...names.map((name) => {
      const one = values[name];
      return one ? withError(figure, one.value, one.error) : '';
    }),
    `n = ${(values[MADE] ?? Object.values(values)[0]!).count}`,
  ]);
  return [
    `${task}: ${trials} trials, ${Math.round(seconds)} s`,
    ...aligned([['', ...names], ...rows]),
  ];
}
