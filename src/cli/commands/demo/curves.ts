import { escapeText, INKS } from '../../../html.js';

/** Curves as SVG text. */

export interface Curve {
  name: string;
  /** x rising */
  points: readonly (readonly [x: number, y: number])[];
}

const WIDTH = 460;
const HEIGHT = 230;
const LEFT = 46;
const RIGHT = 82;
const TOP = 26;
const BOTTOM = 34;

/** A chart of all curves on the same axes; '' where no curve has a point. */
export function chart(title: string, curves: readonly Curve[], xLabel: string): string {
  const drawn = curves.filter(({ points }) => points.length > 0);
  const all = drawn.flatMap(({ points }) => points);
  if (all.length === 0) return '';
  const x = scale(
    all.map(([value]) => value),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = scale(
    all.map(([, value]) => value),
    HEIGHT - BOTTOM,
    TOP,
  );
  const parts = [
    text(LEFT, 15, title, 'font-weight="600"'),
    ...y.ticks.flatMap((value) => [
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y.at(value)}" y2="${y.at(value)}" stroke="#e5e3dd"/>`,
      text(LEFT - 6, y.at(value) + 4, value, 'text-anchor="end"'),
    ]),
    ...x.ticks.map((value) => text(x.at(value), HEIGHT - 16, value, 'text-anchor="middle"')),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 2, xLabel, 'text-anchor="middle"'),
  ];
  const ends = drawn.map(({ points }) => y.at(points.at(-1)![1]));
  const labels = spread(ends, 14);
  drawn.forEach(({ name, points }, i) => {
    const ink = INKS[i % INKS.length];
    const path = points.map(([px, py]) => `${x.at(px)},${y.at(py)}`).join(' ');
    parts.push(
      `<polyline points="${path}" fill="none" stroke="${ink}" stroke-width="2" stroke-linejoin="round"/>`,
      text(WIDTH - RIGHT + 6, labels[i]! + 4, name, `fill="${ink}"`),
    );
  });
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escapeText(title)}" font-size="12" fill="#444">${parts.join('')}</svg>`;
}

/** A linear axis from pixel `from` to `to` with about four round ticks. */
function scale(values: number[], from: number, to: number) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = high - low || Math.abs(high) || 1;
  const rough = span / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough)!;
  const ticks: number[] = [];
  for (let tick = Math.ceil(low / step); tick * step <= low + span; tick++) {
    ticks.push(Number((tick * step).toPrecision(6)));
  }
  const at = (value: number) => round(from + ((value - low) / span) * (to - from));
  return { at, ticks };
}

/** The same positions, at least `gap` apart, in their order, above the chart's end. */
function spread(positions: number[], gap: number): number[] {
  const order = positions.map((_, i) => i).sort((a, b) => positions[a]! - positions[b]!);
  const moved = [...positions];
  order.forEach((i, rank) => {
    if (rank > 0) moved[i] = Math.max(moved[i]!, moved[order[rank - 1]!]! + gap);
  });
  let limit = HEIGHT - BOTTOM;
  for (const i of order.reverse()) {
    moved[i] = Math.min(moved[i]!, limit);
    limit = moved[i]! - gap;
  }
  return moved;
}

const round = (value: number) => Math.round(value * 10) / 10;

const text = (x: number, y: number, content: string | number, more: string) =>
  `<text x="${round(x)}" y="${round(y)}" ${more}>${escapeText(String(content))}</text>`;
