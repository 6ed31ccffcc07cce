/** One figure of several runs as curves on the same axes. */
import { type Axis, axisOf, tickText } from './axis.js';
import { type Lettering, round } from './lettering.js';

export interface Curve {
  ink: string;
  /** of the line, as SVG has it; '' is solid */
  dash: string;
  points: readonly (readonly [x: number, y: number])[];
  /** as many, shown above the points; null shows the points as they are, with dots */
  smoothed: readonly number[] | null;
}

export interface Panel {
  title: string;
  curves: readonly Curve[];
  xRange: readonly [number, number];
  log: boolean;
}

export const PANEL_WIDTH = 400;
export const PANEL_HEIGHT = 220;
const LEFT = 52;
const RIGHT = 12;
const TOP = 28;
const BOTTOM = 26;
const GRID = '#e9e6de';
const SOFT = '#6d6a60';

/** SVG of a panel whose corner is at `x`, `y`. */
export function drawPanel(panel: Panel, x: number, y: number, write: Lettering): string {
  const { title, curves, xRange } = panel;
  const values = curves.flatMap(({ points }) => points.map(([, value]) => value));
  const log = panel.log && !values.some((value) => value <= 0);
  const range = yRange(curves, log);
  const across = axisOf({ range: xRange, from: LEFT, to: PANEL_WIDTH - RIGHT });
  const up = axisOf({ range, from: PANEL_HEIGHT - BOTTOM, to: TOP, log });
  const [left, right] = [LEFT, PANEL_WIDTH - RIGHT];
  const [top, bottom] = [TOP, PANEL_HEIGHT - BOTTOM];
  const line = (x1: number, y1: number, x2: number, y2: number, stroke: string) =>
    `<path d="M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}" stroke="${stroke}" stroke-width="1"/>`;
  const grid = [
    ...up.ticks.flatMap((tick) => [
      line(left, up.at(tick), right, up.at(tick), GRID),
      write(left - 6, up.at(tick) + 4, tickText(tick), { size: 11, anchor: 'end', fill: SOFT }),
    ]),
    ...across.ticks.flatMap((tick) => [
      line(across.at(tick), bottom, across.at(tick), bottom + 4, SOFT),
      write(across.at(tick), bottom + 17, tickText(tick), {
        size: 11,
        anchor: 'middle',
        fill: SOFT,
      }),
    ]),
    line(left, bottom, right, bottom, SOFT),
  ];
  // a drawing of its own clips what lies beyond the range
  const inside = `<svg x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" viewBox="${left} ${top} ${right - left} ${bottom - top}">${drawCurves(curves, across, up)}</svg>`;
  return `<g transform="translate(${round(x)} ${round(y)})">${write(left, 16, title, { size: 13, bold: true })}${grid.join('')}${inside}</g>`;
}

function drawCurves(curves: readonly Curve[], across: Axis, up: Axis): string {
  const stroke = (d: string, { ink, dash }: Curve, more: string) =>
    `<path d="${d}" fill="none" stroke="${ink}" stroke-linejoin="round"${dash ? ` stroke-dasharray="${dash}"` : ''} ${more}/>`;
  const pixels = (points: Curve['points']) =>
    points.map(([x, y]) => [across.at(x), up.at(y)] as const);
  // what is faint lies below all that is not
  const faint = curves.flatMap((curve) =>
    curve.smoothed
      ? [stroke(pathOf(thinned(pixels(curve.points))), curve, 'stroke-opacity="0.22"')]
      : [],
  );
  const strong = curves.map((curve) => {
    const { points, smoothed, ink } = curve;
    const shown = pixels(smoothed ? points.map(([x], i) => [x, smoothed[i]!] as const) : points);
    const dots = smoothed
      ? ''
      : shown
          .filter(([, y]) => Number.isFinite(y))
          .map(([x, y]) => `<circle cx="${round(x)}" cy="${round(y)}" r="2.6" fill="${ink}"/>`)
          .join('');
    return stroke(pathOf(smoothed ? thinned(shown) : shown), curve, 'stroke-width="1.8"') + dots;
  });
  return [...faint, ...strong].join('');
}

/** A line that is broken where there is no value. */
function pathOf(pixels: readonly (readonly [number, number])[]): string {
  let path = '';
  let broken = true;
  for (const [x, y] of pixels) {
    if (!Number.isFinite(y)) {
      broken = true;
      continue;
    }
    path += `${broken ? 'M' : 'L'}${round(x)} ${round(y)}`;
    broken = false;
  }
  return path;
}

/** At most the lowest and the highest point of each pixel across: it looks as with all of them. */
function thinned(pixels: readonly (readonly [number, number])[]) {
  if (pixels.length < 2 * PANEL_WIDTH) return pixels;
  const columns = new Map<number, (readonly [number, number])[]>();
  for (const pixel of pixels) {
    const column = Math.round(pixel[0]);
    const own = columns.get(column) ?? [];
    if (own.length === 0) columns.set(column, own);
    own.push(pixel);
  }
  return [...columns.values()].flatMap((own) => {
    const values = own.map(([, y]) => y);
    const ends = [values.indexOf(Math.min(...values)), values.indexOf(Math.max(...values))];
    // without a value in it a column stays as it is: the line breaks there
    return ends.includes(-1) ? own : [...new Set(ends.sort((a, b) => a - b))].map((i) => own[i]!);
  });
}

/** Of the curves, and of the points but for a few far ones, with a little room. */
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
  // what is never below 0 is not shown as if it were
  return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
}
