/** A comparison as lines for the terminal, and as a page. */
import { escapeText as e, htmlPage } from '../../../html.js';
import type { Difference } from '../../../train/run/differences.js';
import { type FigureKind, kindOf } from '../../../train/run/metrics.js';
import type { RunSummary } from '../../../train/run/status.js';
import { withOptions } from '../../terminal/fields.js';
import { formatBytes } from '../../terminal/progress.js';
import { aligned } from '../../terminal/table.js';
import type { ComparedFigure, Comparison } from './comparison.js';
import { figure as number, partText } from './list.js';

export function comparisonLines(comparison: Comparison): string[] {
  const [facts, recipe, figures] = tablesOf(comparison);
  return [facts!, recipe!, figures!].flatMap(({ title, rows }, i) => [
    ...(i > 0 ? [''] : []),
    ...(rows.length > 1 ? [...(title ? [`${title}:`] : []), ...aligned(rows)] : [`${title}: none`]),
  ]);
}

/** The comparison as one HTML file without scripts. @param plot  SVG */
export function renderComparison(comparison: Comparison, plot: string): string {
  const title = comparison.runs.map(({ name }) => name).join(', ');
  const tables = tablesOf(comparison).map(
    ({ title, rows: [head, ...rows] }) =>
      `${title ? `<h2>${e(title)}</h2>` : ''}
${rows.length === 0 ? '<p>none</p>' : `<div class="wide"><table><thead>${rowOf(head!, 'th')}</thead><tbody>${rows.map((row) => rowOf(row, 'td')).join('\n')}</tbody></table></div>`}`,
  );
  return htmlPage(
    title,
    STYLE,
    `<h1>${e(title)}</h1>
${tables[0]}
<div class="plot">${plot}</div>
${tables.slice(1).join('\n')}`,
  );
}

interface Table {
  title: string;
  /** the first one is the head */
  rows: string[][];
}

function tablesOf({ runs, part, commonStep, recipe, figures }: Comparison): Table[] {
  const names = runs.map(({ name }) => name);
  const differ = runs.length === 2 ? [`${names[1]} against ${names[0]}, step ${commonStep}`] : [];
  return [
    { title: '', rows: [['', ...names], ...FACTS.map(([what, of]) => [what, ...runs.map(of)])] },
    { title: 'Keys of the recipes that differ', rows: [['', ...names], ...recipe.map(keyRow)] },
    {
      title: `Figures of the ${part}: the last ones, smoothed where there are many`,
      rows: [['', ...names, ...differ], ...figures.map(figureRow)],
    },
  ];
}

const FACTS: readonly (readonly [string, (run: RunSummary) => string])[] = [
  ['state', ({ state, message }) => (message ? `${state}: ${withOptions(message)}` : state)],
  ['part', partText],
  [
    'step',
    ({ step, steps }) => (step === null ? '' : `${step}${steps === null ? '' : ` of ${steps}`}`),
  ],
  [
    'updated',
    ({ updatedMs }) =>
      updatedMs === null
        ? ''
        : `${new Date(updatedMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
  ],
  ['size', ({ sizeBytes }) => formatBytes(sizeBytes)],
];

const keyRow = ({ key, values }: Difference): string[] => [
  key || 'all of it',
  ...values.map((value) => (value === undefined ? '-' : shortened(JSON.stringify(value)))),
];

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text);

function figureRow({ figure, values, difference }: ComparedFigure): string[] {
  const cells = values.map((value) => {
    if (value === null) return '-';
    const { last, best } = value;
    const more = best && best.value !== last ? ` (best ${number(best.value)} at ${best.step})` : '';
    return number(last) + more;
  });
  return [figure, ...cells, ...(difference ? [differenceText(kindOf(figure), difference)] : [])];
}

/** The difference in decibels for quality, in percent for all other figures. */
function differenceText(kind: FigureKind, { first, second }: { first: number; second: number }) {
  if (kind !== 'quality' && first === 0) return '';
  const change = kind === 'quality' ? second - first : (100 * (second - first)) / Math.abs(first);
  if (!Number.isFinite(change)) return '';
  const sign = change > 0 ? '+' : '';
  return kind === 'quality' ? `${sign}${change.toFixed(2)}` : `${sign}${change.toFixed(1)} %`;
}

const rowOf = ([first, ...cells]: string[], tag: 'th' | 'td'): string =>
  `<tr><th>${e(first!)}</th>${cells.map((cell) => `<${tag}>${e(cell)}</${tag}>`).join('')}</tr>`;

const STYLE = `
:root { color-scheme: light }
* { box-sizing: border-box }
body { margin: 0; background: #f6f5f1; color: #26251f; font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1300px; margin: 0 auto; padding: 28px 20px 64px }
h1 { font-size: 26px; margin: 0 0 6px; overflow-wrap: anywhere } h2 { margin: 32px 0 2px; font-size: 18px }
.wide { overflow-x: auto } table { border-collapse: collapse; margin: 10px 0; font-variant-numeric: tabular-nums; font-size: 13.5px }
th, td { text-align: left; padding: 4px 18px 4px 0; border-bottom: 1px solid #dedbd1; white-space: nowrap }
tbody th { font-weight: 600 }
.plot { background: #fff; border: 1px solid #e5e3dd; border-radius: 8px; margin: 16px 0; overflow: hidden }
.plot svg { display: block; max-width: 100%; height: auto }
`;
