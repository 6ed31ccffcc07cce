/** The demo's page: one HTML file without scripts, with pictures and clips beside it. */
import { PROGRAM } from '../../../files/package-root.js';
import { escapeText as e, htmlPage } from '../../../html.js';
import { TASKS } from '../../../tasks/index.js';
import { chart } from '../../charts/chart.js';
import { PHOTOS } from './cases.js';
import type { LiveTraining } from './live.js';
import type { ShownCase, Tile } from './show.js';

export interface PageContent {
  pipelineFolder: string;
  machine: string;
  /** sampling steps, from the pipeline's settings */
  numInferenceSteps: number;
  guidanceScale: number;
  cases: readonly ShownCase[];
  /** a sentence on the quality of each section's results */
  scores: ReadonlyMap<Section, string>;
  /** files of contact sheets beside the page, by section */
  sheets: ReadonlyMap<Section, string>;
  live: LiveTraining | null;
  /** name of the run's folder, beside the page */
  trainingFolder: string;
  seconds: number;
  /** a sentence about what is still missing, or '' */
  pending: string;
}

/** A part of the page. */
type Section = ShownCase['section'];

/** Explanations for the reader, by section. */
const EXPLAINED: Partial<Record<Section, string>> = {
  photos:
    'Photos and a clip that no network here has seen: made small and enlarged again, coloured from gray, filled, widened, continued. Beside each is the best that needs no model.',
  any: 'A mixture of what is known: three key frames and the depth of all frames, or a clip with a moving hole whose first frame shows what belongs there.',
  t2i: 'An image from words. Below each: how many of the solids that the caption names are found in the picture, by colour, and by colour and shape.',
  t2v: 'A clip from words: solids that move, and a camera that may pan or zoom.',
  i2v: 'A clip that begins with the given image. Figures are for the frames after it.',
  vsr: 'The small clip made larger, beside bicubic enlargement. Figures compare with the true clip.',
  vinp: 'The hole in the clip filled, beside fills that need no model. Figures are for the hole only.',
  vexd: 'A clip continued from its first frames. Figures are for the new frames only.',
  itrans: 'From the first image to the last. Figures are for the frames between them.',
  vtrans: 'From the first clip to the second. Figures are for the frames between them.',
  icolor: 'Colours for a gray image, with the prompt as a hint; its brightness is kept.',
  vcolor: 'Colours for a gray clip, with the prompt as a hint; its brightness is kept.',
  iedit: 'An image changed as the words say.',
  vedit: 'A clip changed as the words say.',
  d2v: 'A clip with the given depth, where white is near; in some cases its first frame is given too.',
  mtrans: 'A clip that moves like the given one, of which only the depth is used.',
};

export function renderPage(content: PageContent): string {
  const { cases, live, pending } = content;
  const sections = [...new Set(cases.map(({ section }) => section))];
  const tasks = sections.filter((section) => section !== PHOTOS);
  return htmlPage(
    'mfm demo',
    STYLE,
    `<header>
<h1>One small model${tasks.length > 0 ? `, ${counted(tasks.length, 'task')}` : ''}</h1>
<p>Everything here was made on this machine by <code>make demo</code>: first the trained pipeline
<code>${e(content.pipelineFolder)}</code> on scenes that its training never saw and on files of <code>examples</code>,
then a fresh pipeline trained for two minutes. It is a small network: most of what it knows is MiniWorld, a procedural
world of solids in eight colours.</p>
<p class="facts">${e(content.machine)} · ${content.numInferenceSteps} sampling steps, guidance ${content.guidanceScale} · ${cases.length} results · ${duration(content.seconds)} in all</p>
${pending ? `<p class="pending">${e(pending)}</p>` : ''}
<nav>${sections.map((section) => `<a href="#${section}">${section}</a>`).join('')}${live ? '<a href="#training">training</a>' : ''}</nav>
</header>
${sections.map((section) => pageSection(section, content)).join('\n')}
${live ? trainingSection(live, content.trainingFolder) : ''}
<footer><p>PSNR in dB, higher is better; a result as good as 8-bit rounding allows counts as 60 dB. MiniWorld scenes are
drawn here; who made the photos and clips is in <code>examples/photos/SOURCES.md</code> and
<code>examples/media/SOURCES.md</code>.</p></footer>`,
  );
}

function pageSection(section: Section, { cases, scores, sheets }: PageContent): string {
  const own = cases.filter((shown) => shown.section === section);
  const sheet = sheets.get(section);
  const summary =
    section === PHOTOS
      ? 'what the network does with pictures of the real world'
      : TASKS[section].summary;
  const seconds = own.reduce((sum, shown) => sum + shown.seconds, 0);
  return `<section id="${section}">
<h2>${section} <span>${e(summary)}</span></h2>
<p class="score">${e(scores.get(section) || 'No true picture to compare with.')}</p>
<p>${EXPLAINED[section] ?? 'Figures compare with the true picture.'} ${counted(own.length, 'result')} in ${duration(seconds)}.</p>
<div class="cases">${own.map(caseCard).join('\n')}</div>
${sheet ? `<details><summary>all of ${section} on one sheet</summary><a href="${e(sheet)}"><img src="${e(sheet)}" alt="sheet of ${section}" loading="lazy"></a></details>` : ''}
</section>`;
}

function caseCard({ prompt, origin, seed, seconds, tiles, command }: ShownCase): string {
  return `<article>
<div class="tiles">${tiles.map(tile).join('')}</div>
<h3>${prompt ? e(prompt) : 'no prompt'}</h3>
<p class="facts">${e(origin)} · seed ${seed} · ${seconds.toFixed(1)} s</p>
<details><summary>command</summary><pre>${e(command)}</pre></details>
</article>`;
}

function tile({ label, file, width, note, made }: Tile): string {
  const name = e(label);
  const picture = file.endsWith('.mp4')
    ? `<video src="${e(file)}" width="${width}" autoplay loop muted playsinline aria-label="${name}"></video>`
    : `<img src="${e(file)}" width="${width}" alt="${name}">`;
  const caption = `<b>${name}</b>${note ? ` ${e(note)}` : ''}`;
  return `<figure${made ? ' class="made"' : ''} style="max-width:${width}px">${picture}<figcaption>${caption}</figcaption></figure>`;
}

function trainingSection({ seconds, tasks, parts }: LiveTraining, folder: string): string {
  const blocks = parts.map(({ part, steps, seconds: own, curves, sheets }) => {
    const isPsnr = (name: string) => name.startsWith('psnr/');
    const charts = [
      chart(
        part === 'transformer' ? 'velocity loss by task' : 'loss',
        curves.filter(({ name }) => !isPsnr(name)),
        'steps',
      ),
      chart(
        'PSNR, dB, by length of the clip',
        curves
          .filter(({ name }) => isPsnr(name))
          // `psnr/1 frame`, `psnr/9 frames`
          .map((curve) => ({ ...curve, name: curve.name.slice('psnr/'.length) })),
        'steps',
      ),
    ];
    const pictures = sheets.map((name) => {
      const file = `${folder}/samples/${name}`;
      const task = /-([a-z0-9]+)\.png$/.exec(name)?.[1] ?? part;
      return `<figure class="sheet"><a href="${e(file)}"><img src="${e(file)}" alt="${e(name)}" loading="lazy"></a><figcaption><b>${e(/^\d+$/.test(task) ? part : task)}</b></figcaption></figure>`;
    });
    return `<h3>${e(part)}</h3>
<p class="facts">${steps} steps in ${duration(own)}</p>
<div class="charts">${charts.join('')}</div>
<div class="tiles">${pictures.join('')}</div>`;
  });
  return `<section id="training">
<h2>training <span>from scratch, two minutes</span></h2>
<p>A new, smaller pipeline by <code>${PROGRAM} train recipes/demo.yaml</code>: its autoencoder, its data set as latents, and its
transformer with ${counted(tasks, 'task')} at once, in ${duration(seconds)}. Two minutes show the losses fall; they do not make good pictures. The
pipeline above is the same program given hours.</p>
${blocks.join('\n')}
</section>`;
}

const counted = (count: number, name: string) => `${count} ${name}${count === 1 ? '' : 's'}`;

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 90 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

const STYLE = `
:root { color-scheme: light }
* { box-sizing: border-box }
body { margin: 0; background: #f6f5f1; color: #26251f; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 64px }
h1 { font-size: 34px; margin: 0 0 8px } h2 { margin: 48px 0 4px; font-size: 24px }
h2 span { font-weight: 400; color: #77746a } h3 { font-size: 15px; margin: 10px 0 0; font-weight: 600 }
p { max-width: 78ch; margin: 6px 0 } code, pre { font: 13px/1.5 ui-monospace, monospace }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f5f1; padding: 8px; border-radius: 6px; margin: 6px 0 0 }
nav a { display: inline-block; margin: 10px 8px 0 0; padding: 3px 12px; border-radius: 99px; background: #e7e4da; color: inherit; text-decoration: none }
.score { font-weight: 600 } .facts, footer { color: #77746a; font-size: 13px } .pending { background: #fff3cd; padding: 8px 12px; border-radius: 6px }
.cases { display: flex; flex-wrap: wrap; gap: 16px; margin-top: 14px }
article, .charts > svg { background: #fff; border: 1px solid #e5e3dd; border-radius: 10px; padding: 14px }
article { width: min-content; min-width: 220px; max-width: 100% }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; align-items: flex-start; width: max-content; max-width: min(1110px, calc(100vw - 70px)) }
.charts { display: flex; flex-wrap: wrap; gap: 14px; margin: 10px 0 }
figure { margin: 0 } img, video { display: block; max-width: 100%; height: auto; border-radius: 4px; image-rendering: pixelated }
figcaption { font-size: 12px; color: #77746a; margin-top: 3px } figcaption b { color: #26251f; font-weight: 600 }
.made b { color: #b4480a } .made img, .made video { outline: 2px solid #e08a4f }
.sheet { max-width: 540px } .sheet img { max-height: 380px; width: auto } details { margin-top: 8px; font-size: 13px } summary { cursor: pointer; color: #77746a }
@media (max-width: 560px) { article { width: 100% } .tiles { width: auto; max-width: none } .tiles figure:not(.sheet) { width: calc(50% - 5px) } }
section > details img { margin-top: 8px; border: 1px solid #e5e3dd }
`;
