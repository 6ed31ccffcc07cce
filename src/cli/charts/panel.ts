/** A panel: curves of one figure on the same axes. */
import { line } from 'd3-shape';
import { FEW_POINTS } from '../../train/run/metrics.js';
import { type Axis, axisOf, tickText } from './axis.js';
import { type Lettering, round } from './lettering.js';

export interface Curve {
  /** shown at the end of the curve */
  name?: string;
  ink: string;
  /** dash pattern, as in SVG; '' is solid */
  dash: string;
  /** in order of rising x; the line is interrupted where y is NaN */
  points: readonly (readonly [x: number, y: number])[];
  /** smoothed y values, one per point, drawn over the points; null draws the points, with dots if few */
  smoothed: readonly number[] | null;
}

export interface Panel {
  title: string;
  /** below the axis */
  xLabel?: string;
  curves: readonly Curve[];
  xRange: readonly [number, number];
  log: boolean;
  frame: Frame;
}

/** A panel's size and the margins for text around the curves, in pixels. */
export interface Frame {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

type Pixel = readonly [x: number, y: number];

const GRID = '#e9e6de';
const SOFT = '#6d6a60';

/** SVG of a panel with its top left corner at `x`, `y`. */
export function drawPanel(panel: Panel, x: number, y: number, write: Lettering): string {
  const { title, xLabel, curves, xRange, frame } = panel;
  const values = curves.flatMap(({ points }) => points.map(([, value]) => value));
  const log = panel.log && !values.some((value) => value <= 0);
  const [left, right] = [frame.left, frame.width - frame.right];
  const [top, bottom] = [frame.top, frame.height - frame.bottom];
  const across = axisOf({ range: xRange, from: left, to: right });
  const up = axisOf({ range: yRange(curves, log), from: bottom, to: top, log });
  const rule = (x1: number, y1: number, x2: number, y2: number, stroke: string) =>
    `<path d="M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}" stroke="${stroke}" stroke-width="1"/>`;
  const small = { size: 11, fill: SOFT };
  const grid = [
    ...up.ticks.flatMap((tick) => [
      rule(left, up.at(tick), right, up.at(tick), GRID),
      write(left - 6, up.at(tick) + 4, tickText(tick), { ...small, anchor: 'end' }),
    ]),
    ...across.ticks.flatMap((tick) => [
      rule(across.at(tick), bottom, across.at(tick), bottom + 4, SOFT),
      write(across.at(tick), bottom + 17, tickText(tick), { ...small, anchor: 'middle' }),
    ]),
    rule(left, bottom, right, bottom, SOFT),
    xLabel ? write((left + right) / 2, bottom + 32, xLabel, { ...small, anchor: 'middle' }) : '',
  ];
  // a nested svg element clips the curves to the range
  const inside = `<svg x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" viewBox="${left} ${top} ${right - left} ${bottom - top}">${drawCurves(curves, across, up)}</svg>`;
  const names = endNames(curves, up, { x: right + 6, bottom }, write);
  return `<g transform="translate(${round(x)} ${round(y)})">${write(left, 16, title, { size: 13, bold: true })}${grid.join('')}${inside}${names}</g>`;
}

function drawCurves(curves: readonly Curve[], across: Axis, up: Axis): string {
  const stroke = (pixels: readonly Pixel[], { ink, dash }: Curve, more: string) =>
    `<path d="${pathOf(pixels) ?? ''}" fill="none" stroke="${ink}" stroke-linejoin="round"${dash ? ` stroke-dasharray="${dash}"` : ''} ${more}/>`;
  const pixels = (points: Curve['points']) =>
    points.map(([x, y]): Pixel => [across.at(x), up.at(y)]);
  // draw faint lines below all others
  const faint = curves.flatMap((curve) =>
    curve.smoothed ? [stroke(thinned(pixels(curve.points)), curve, 'stroke-opacity="0.22"')] : [],
  );
  const strong = curves.map((curve) => {
    const { points, smoothed, ink } = curve;
    const shown = pixels(smoothed ? points.map(([x], i) => [x, smoothed[i]!] as const) : points);
    const dots = shown
      .filter(([, y]) => points.length < FEW_POINTS && Number.isFinite(y))
      .map(([x, y]) => `<circle cx="${round(x)}" cy="${round(y)}" r="2.6" fill="${ink}"/>`);
    return stroke(thinned(shown), curve, 'stroke-width="1.8"') + dots.join('');
  });
  return [...faint, ...strong].join('');
}

/** A line that is interrupted where there is no value. */
const pathOf = line<Pixel>()
  .defined(([, y]) => Number.isFinite(y))
  .digits(1);

/** If there are fewer points than this, all of them are drawn. */
const MANY_POINTS = 800;

/** Only the lowest and highest point of each pixel column, which looks the same as all of them. */
function thinned(pixels: readonly Pixel[]): readonly Pixel[] {
  if (pixels.length < MANY_POINTS) return pixels;
  const columns = new Map<number, Pixel[]>();
  for (const pixel of pixels) {
    const column = Math.round(pixel[0]);
    const own = columns.get(column) ?? [];
    if (own.length === 0) columns.set(column, own);
    own.push(pixel);
  }
  return [...columns.values()].flatMap((own) => {
    const values = own.map(([, y]) => y);
    const ends = [values.indexOf(Math.min(...values)), values.indexOf(Math.max(...values))];
    // a column without values is kept, so that the line is interrupted there
    return ends.includes(-1) ? own : [...new Set(ends.sort((a, b) => a - b))].map((i) => own[i]!);
  });
}

/** The y range of all curves, without a few outliers, and with a little space above and below. */
function yRange(curves: readonly Curve[], log: boolean): [number, number] {
  const lows: number[] = [];
  const highs: number[] = [];
  for (const { points, smoothed } of curves) {
    const values = points.map(([, y]) => y).filter(Number.isFinite);
    const sorted = values.sort((a, b) => a - b);
    const far = smoothed ? Math.floor(sorted.length / 100) : 0;
    lows.push(...sorted.slice(far, far + 1));
    highs.push(...sorted.slice(sorted.length - 1 - far, sorted.length - far));
  }
  if (lows.length === 0) return [log ? 0.1 : 0, 1];
  const [low, high] = [Math.min(...lows), Math.max(...highs)];
  if (log) return [low / (high / low) ** 0.05, high * (high / low) ** 0.05];
  const room = (high - low) * 0.05;
  // if no value is negative, the range does not go below 0
  return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
}

/** Distance between two names, in pixels. */
const NAME_GAP = 14;

/** Names beside the ends of their curves, moved apart where they would overlap, none below `bottom`. */
function endNames(
  curves: readonly Curve[],
  up: Axis,
  { x, bottom }: { x: number; bottom: number },
  write: Lettering,
): string {
  const ends = curves
    .flatMap(({ name, ink, points }) => {
      const last = points.findLast(([, y]) => Number.isFinite(y));
      return name !== undefined && last ? [{ name, ink, y: up.at(last[1]) }] : [];
    })
    .sort((a, b) => a.y - b.y);
  for (const [i, end] of ends.entries()) {
    if (i > 0) end.y = Math.max(end.y, ends[i - 1]!.y + NAME_GAP);
  }
  let limit = bottom;
  for (const end of [...ends].reverse()) {
    end.y = Math.min(end.y, limit);
    limit = end.y - NAME_GAP;
  }
  return ends.map(({ name, ink, y }) => write(x, y + 4, name, { fill: ink })).join('');
}
