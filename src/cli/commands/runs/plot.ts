/** The plot of a comparison: a legend of the runs, and a panel for each figure. */
import { writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { InputError } from '../../../errors.js';
import { writeAtomically } from '../../../files/atomic.js';
import { INKS } from '../../../html.js';
import {
  FEW_POINTS,
  type FigureKind,
  isSet,
  kindOf,
  type Point,
  smooth,
} from '../../../train/run/metrics.js';
import { FAMILY, inFonts, type Lettering, letteringForPictures } from '../../charts/lettering.js';
import { type Curve, drawPanel, type Frame, type Panel } from '../../charts/panel.js';

export interface PlotOptions {
  by: 'steps' | 'time' | 'samples';
  /** weight of the previous values, 0..1 */
  smoothing: number;
  log: boolean;
}

export interface PlottedRun {
  name: string;
  figures: ReadonlyMap<string, readonly Point[]>;
}

/** @throws InputError unless the name ends in .html or .png */
export function expectPlotFile(path: string): void {
  if (/\.(html|png)$/i.test(path)) return;
  throw new InputError(`--plot: must end in .html or .png, got "${path}"`);
}

/** The plot as SVG for a page. */
export const plotForPage = (runs: readonly PlottedRun[], figures: string[], options: PlotOptions) =>
  drawPlot(runs, figures, options, inFonts);

/** Writes the plot as PNG. @throws as `writeAtomically` */
export async function writePicture(
  path: string,
  runs: readonly PlottedRun[],
  figures: string[],
  options: PlotOptions,
): Promise<void> {
  const svg = drawPlot(runs, figures, options, await letteringForPictures());
  // twice the 72 dots per inch at which an SVG's pixel is one pixel
  const png = await sharp(Buffer.from(svg), { density: 144, unlimited: true })
    .png({ palette: true, colours: 64, effort: 8 })
    .toBuffer();
  await writeAtomically(path, (temporary) => writeFile(temporary, png));
}

const FRAME: Frame = { width: 400, height: 220, left: 52, right: 12, top: 28, bottom: 26 };
const COLUMNS = 3;
const MARGIN = 20;
const GAP = 16;
const HEADING = 40;
/** Once all colours are used, further runs get dashed lines. */
const DASHES = ['', '6 3', '2 2'];

const KINDS: readonly (readonly [FigureKind, string])[] = [
  ['loss', 'Losses in training'],
  ['validation', 'Validation'],
  ['quality', 'Quality of samples'],
  ['state', 'Training'],
];

/** The plot as SVG; its height depends on the number of figures. */
export function drawPlot(
  runs: readonly PlottedRun[],
  figures: readonly string[],
  { by, smoothing, log }: PlotOptions,
  write: Lettering,
): string {
  const x = across(runs, figures, by);
  const panelOf = (figure: string): Panel => ({
    title: figure,
    frame: FRAME,
    xRange: x.range,
    log:
      log && (kindOf(figure) !== 'state' || figure === 'gradNorm') && kindOf(figure) !== 'quality',
    curves: runs.flatMap(({ figures: own }, i) => {
      const points = own.get(figure);
      return points ? [curveOf(points, i, x.of, isSet(figure) ? 0 : smoothing)] : [];
    }),
  });
  const columns = Math.min(COLUMNS, figures.length);
  const width = 2 * MARGIN + columns * FRAME.width + (columns - 1) * GAP;
  const legend = drawLegend(runs, width, write);
  const parts = [legend.svg];
  let y = legend.height;
  for (const [kind, heading] of KINDS) {
    const own = figures.filter((figure) => kindOf(figure) === kind);
    if (own.length === 0) continue;
    parts.push(write(MARGIN, y + 24, `${heading}, over ${x.label}`, { size: 15, bold: true }));
    own.forEach((figure, i) => {
      const column = i % columns;
      const row = Math.floor(i / columns);
      const left = MARGIN + column * (FRAME.width + GAP);
      parts.push(drawPanel(panelOf(figure), left, y + HEADING + row * (FRAME.height + GAP), write));
    });
    y += HEADING + Math.ceil(own.length / columns) * (FRAME.height + GAP);
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + MARGIN}" width="${width}" height="${y + MARGIN}" font-family="${FAMILY}"><rect width="100%" height="100%" fill="#fff"/>${parts.join('')}</svg>`;
}

function curveOf(
  points: readonly Point[],
  index: number,
  xOf: (point: Point) => number,
  smoothing: number,
): Curve {
  const values = points.map(({ value }) => value);
  return {
    ink: INKS[index % INKS.length]!,
    dash: DASHES[Math.floor(index / INKS.length) % DASHES.length]!,
    points: points.map((point) => [xOf(point), point.value]),
    smoothed: points.length < FEW_POINTS ? null : smooth(values, smoothing),
  };
}

/** The legend: a sample line and the name of each run, in as many rows as needed. */
function drawLegend(runs: readonly PlottedRun[], width: number, write: Lettering) {
  let x = MARGIN;
  let y = 26;
  const parts = runs.map(({ name }, i) => {
    const ink = INKS[i % INKS.length]!;
    const dash = DASHES[Math.floor(i / INKS.length) % DASHES.length]!;
    const own = 60 + name.length * 8.6;
    if (x > MARGIN && x + own > width) [x, y] = [MARGIN, y + 22];
    const line = `<path d="M${x} ${y - 5}h28" stroke="${ink}" stroke-width="4"${dash ? ` stroke-dasharray="${dash}"` : ''}/>`;
    const word = write(x + 36, y, name, { size: 14 });
    x += own;
    return line + word;
  });
  return { svg: parts.join(''), height: y + 8 };
}

/** Widens the range a little, so that the dot of the last point is not cut off. */
const ROOM = 1.01;

/** The x axis: a point's value, the range, and the label. */
function across(runs: readonly PlottedRun[], figures: readonly string[], by: PlotOptions['by']) {
  const points = runs.flatMap((run) => figures.flatMap((figure) => run.figures.get(figure) ?? []));
  const largest = (of: (point: Point) => number) =>
    points.reduce((most, p) => Math.max(most, of(p)), 0);
  if (by === 'time') {
    const most = largest(({ seconds }) => seconds);
    const [unit, label] =
      most > 2 * 3600 ? [3600, 'hours'] : most > 300 ? [60, 'minutes'] : [1, 'seconds'];
    return {
      of: ({ seconds }: Point) => seconds / unit,
      range: [0, (ROOM * most) / unit] as const,
      label: `${label} of training`,
    };
  }
  const of = by === 'steps' ? ({ step }: Point) => step : ({ samples }: Point) => samples;
  const most = largest(of);
  if (by === 'samples' && most === 0) {
    throw new InputError('--by samples: no samples were counted in these runs; take steps or time');
  }
  return { of, range: [0, ROOM * most] as const, label: by };
}
