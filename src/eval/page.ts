/** Renders the report as one HTML file without scripts, with pictures beside it, in light and dark. */
import { escapeText as e, htmlPage } from '../html.js';
import { type Compared, contestants, type TaskReport, type Value } from './evaluate.js';
import { FIGURES, type FigureId, figureOf } from './figures.js';
import type { Published, Report } from './report-format.js';

export function renderPage(report: Report): string {
  const { settings, machine, notes, tasks, autoencoder, published, versions } = report;
  const { source, made, trials, size, steps, fewerSteps, guidance, seed, repeats } = settings;
  const sees = settings.network !== null;
  const stepsText = [...fewerSteps, steps ?? "the pipeline's"].join(', ');
  const beaten = tasks.filter(({ headline }) => headline?.beats).length;
  const judged = tasks.filter(({ headline }) => headline && headline.beats !== null).length;
  return htmlPage(
    'mfm eval',
    STYLE,
    `<h1>${e(made)}</h1>
<p>${e(source)} at ${size.width}x${size.height}; ${trials} trials per task, ${repeats > 1 ? `${repeats} seeds from ${seed}` : `seed ${seed}`}, ${stepsText} steps, guidance ${guidance ?? "the pipeline's"}. Better than every baseline in <b>${beaten} of ${judged}</b> tasks. After ± stands the standard error.</p>
${notes.map((note) => `<p class="note">${e(note)}</p>`).join('\n')}
<p class="facts">mfm ${e(versions.mfm)} · ${e(machine)} · ${e(settings.dtype)} on ${e(settings.device)}</p>
<div class="wide"><table>
<thead><tr><th>task</th><th>figure</th><th>made</th><th>best baseline</th><th>above it by</th><th>trials won</th><th>unchanged input</th><th>true clips</th>${sees ? '<th>feature distance</th><th>nearer by</th>' : ''}<th>beats</th></tr></thead>
<tbody>${tasks.map((task) => overviewRow(task, sees)).join('\n')}</tbody></table></div>
${stepsTable(report)}
${autoencoder ? `<p class="facts">PSNR of the true clips through the autoencoder alone: ${autoencoderText(autoencoder)}.</p>` : ''}
${tasks.map((task) => taskSection(task, published)).join('\n')}
${definitions(report)}`,
  );
}

function overviewRow({ task, headline, seen }: TaskReport, sees: boolean): string {
  const link = `<th><a href="#${e(task)}">${e(task)}</a></th>`;
  if (!headline)
    return `<tr>${link}<td colspan="${sees ? 10 : 8}">nothing to compare with</td></tr>`;
  const { figure, made, error, baseline, input, truth, beats } = headline;
  const cells = [
    e(withUnit(figure)),
    withError(figure, made, error),
    compared(figure, baseline, made),
    baseline ? signed(figure, baseline.made - baseline.value, baseline.error) : '',
    baseline ? `${baseline.won} of ${baseline.count}` : '',
    compared(figure, input, made),
    figureOf(figure).unit === '%' && truth !== null ? number(figure, truth) : '',
    ...(sees ? seenCells(seen) : []),
  ];
  const verdict = beats === null ? '' : beats ? 'yes' : 'no';
  return `<tr>${link}${cells.map((cell) => `<td>${cell}</td>`).join('')}<td class="${verdict}">${verdict}</td></tr>`;
}

/** Feature distance of the results, and how much less that is than the best baseline's. */
export function seenCells(seen: TaskReport['seen']): [string, string] {
  if (!seen) return ['', ''];
  const { made, value, error } = seen;
  return [number('featureDistance', made), signed('featureDistance', value - made, error)];
}

/** A baseline's cell; if it does not apply to all trials, with the pipeline's mean in the same trials. */
function compared(figure: FigureId, one: Compared | null, made: number): string {
  if (!one) return '';
  const there = number(figure, one.made);
  const where = there === number(figure, made) ? '' : ` (made ${there} there)`;
  return `${number(figure, one.value)} <span>${e(one.name)}${where}</span>`;
}

function taskSection(report: TaskReport, published: Published | null): string {
  const { task, summary, trials, seconds, figures, pictures } = report;
  const names = contestants(report);
  const cell = (figure: FigureId, value: Value | undefined) =>
    `<td>${value ? withError(figure, value.value, value.error) : ''}</td>`;
  const rows = figures.map(({ figure, values }) => {
    const { better } = figureOf(figure);
    const count = values.made?.count;
    return `<tr><th>${e(withUnit(figure))}<span>${better}${count === undefined || count === trials ? '' : `, of ${count}`}</span></th>${names.map((one) => cell(figure, values[one])).join('')}</tr>`;
  });
  const reference = published?.tasks[task] ?? [];
  return `<section id="${e(task)}">
<h2>${e(task)} <span>${e(summary)}</span></h2>
<p class="facts">${trials} trials in ${Math.round(seconds)} s</p>
<div class="wide"><table><thead><tr><th></th>${names.map((name) => `<th>${e(name)}</th>`).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>
${reference.map(({ system, psnr, ssim, lpips }) => `<p class="facts">Published, on other clips: ${e(system)} PSNR ${psnr} dB, SSIM ${ssim}, LPIPS ${lpips}</p>`).join('\n')}
${pictures.map(trialFigure).join('\n')}
</section>`;
}

const trialFigure = ({ name, prompt, shown }: TaskReport['pictures'][number]): string =>
  `<article><h3>${e(prompt || name)}</h3><div class="strips">${shown
    .map(
      ({ label, file }) =>
        `<figure${label === 'made' ? ' class="made"' : ''}><img src="${e(file)}" alt="${e(label)}" loading="lazy"><figcaption>${e(label)}</figcaption></figure>`,
    )
    .join('')}</div></article>`;

function definitions({ tasks, definitions: { headlines } }: Report): string {
  const used = new Set(tasks.flatMap(({ figures }) => figures.map(({ figure }) => figure)));
  const list = FIGURES.filter(({ id }) => used.has(id)).map(
    ({ name, definition }) => `<dt>${e(name)}</dt><dd>${e(definition)}</dd>`,
  );
  const rules = headlines.map(
    ({ figure, when, against }) =>
      `<dt>${e(figureOf(figure as FigureId).name)}</dt><dd>if ${e(when)}; compared with ${e(against)}</dd>`,
  );
  return `<section id="figures"><h2>Definitions of the figures</h2><dl>${list.join('\n')}</dl>
<h3>The deciding figure</h3><dl>${rules.join('\n')}</dl></section>`;
}

/** One table of all tasks with several numbers of steps; empty if there are none. */
function stepsTable({ tasks, settings: { steps } }: Report): string {
  const rows = fewerStepRows(tasks).map(
    (row) => `<tr>${row.map((cell) => `<td>${e(cell)}</td>`).join('')}</tr>`,
  );
  if (rows.length === 0) return '';
  const head = ['task', 'figure', 'steps', 'made', `below ${steps} steps by`, 'PSNR to those, dB'];
  return `<h2>Fewer steps</h2><div class="wide"><table><thead><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>`;
}

/** Task, deciding figure, steps, its value, how much less that is than with the most steps, PSNR to those. */
export function fewerStepRows(tasks: readonly TaskReport[]): string[][] {
  return tasks.flatMap(({ task, headline, fewerSteps }) =>
    fewerSteps.map(({ steps, figure, lost, alike }, i) => [
      i === 0 ? task : '',
      i === 0 && headline ? withUnit(headline.figure) : '',
      String(steps),
      headline && figure ? withError(headline.figure, figure.value, figure.error) : '',
      headline && lost ? signed(headline.figure, lost.value, lost.error) : '',
      withError('alike', alike.value, alike.error),
    ]),
  );
}

export function withUnit(figure: FigureId): string {
  const { name, unit } = figureOf(figure);
  return unit ? `${name}, ${unit}` : name;
}

/** `26.87 ±0.31`; without an error, for a single trial, only the value */
export const withError = (figure: FigureId, value: number, error: number | null): string =>
  `${number(figure, value)}${error === null ? '' : ` ±${number(figure, error)}`}`;

/** `+0.52 ±0.10`, of a difference */
export const signed = (figure: FigureId, value: number, error: number | null): string =>
  `${value < 0 ? '' : '+'}${withError(figure, value, error)}`;

/** Formats a value with the digits that suit its unit. */
export function number(figure: FigureId, value: number): string {
  const { unit } = figureOf(figure);
  const digits = unit === 'dB' || unit === 'levels' ? 2 : unit === '%' ? 0 : 3;
  return value.toFixed(digits);
}

/** `clips 34.0 ±0.4 dB (of 8), images 34.9 ±0.5 dB (of 8)` */
export const autoencoderText = (losses: NonNullable<Report['autoencoder']>): string =>
  Object.entries(losses)
    .flatMap(([kind, one]) =>
      one
        ? [
            `${kind} ${one.value.toFixed(1)}${one.error === null ? '' : ` ±${one.error.toFixed(1)}`} dB (of ${one.count})`,
          ]
        : [],
    )
    .join(', ');

const STYLE = `
:root { color-scheme: light dark; --paper: #f6f5f1; --card: #fff; --ink: #26251f; --soft: #6d6a60; --line: #dedbd1; --good: #1d7a3c; --bad: #b3361d; --mark: #e08a4f }
@media (prefers-color-scheme: dark) { :root { --paper: #191917; --card: #23221f; --ink: #e9e7df; --soft: #a29e92; --line: #3b3934; --good: #6cc78a; --bad: #ee8468; --mark: #e08a4f } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1320px; margin: 0 auto; padding: 28px 20px 64px }
h1 { font-size: 26px; margin: 0 0 6px; overflow-wrap: anywhere } h2 { margin: 44px 0 2px; font-size: 22px }
h2 span { font-weight: 400; color: var(--soft) } h3 { font-size: 14px; margin: 0 0 6px; font-weight: 600 }
p { max-width: 84ch; margin: 6px 0 } .facts { color: var(--soft); font-size: 13px } .note { border-left: 3px solid var(--mark); padding-left: 10px }
.wide { overflow-x: auto } table { border-collapse: collapse; margin: 12px 0; font-variant-numeric: tabular-nums; font-size: 13.5px }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); white-space: nowrap; vertical-align: top }
td span, tbody th span { color: var(--soft); font-weight: 400; font-size: 12px } tbody th span { display: block } tbody th { font-weight: 600 }
a { color: inherit } .yes { color: var(--good); font-weight: 600 } .no { color: var(--bad); font-weight: 600 }
article { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px; margin: 10px 0 }
.strips { display: flex; flex-wrap: wrap; gap: 12px } figure { margin: 0 } img { display: block; max-width: 100%; image-rendering: pixelated; border-radius: 3px; min-height: 64px }
figcaption { font-size: 12px; color: var(--soft) } .made img { outline: 2px solid var(--mark) } .made figcaption { color: var(--ink); font-weight: 600 }
dt { font-weight: 600; margin-top: 8px } dd { margin: 0; max-width: 84ch; color: var(--soft) }
`;
