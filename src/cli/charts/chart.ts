/** A panel as a separate drawing for a page, with the curves' names at their ends. */
import { escapeText, INKS } from '../../html.js';
import { inFonts } from './lettering.js';
import { drawPanel, type Frame } from './panel.js';

export interface NamedCurve {
  name: string;
  /** in order of rising x */
  points: readonly (readonly [x: number, y: number])[];
}

const FRAME: Frame = { width: 460, height: 230, left: 52, right: 82, top: 28, bottom: 40 };

/** SVG of all curves on the same axes; '' if no curve has a point. */
export function chart(title: string, curves: readonly NamedCurve[], xLabel: string): string {
  const drawn = curves.filter(({ points }) => points.length > 0);
  if (drawn.length === 0) return '';
  const across = drawn.flatMap(({ points }) => points.map(([x]) => x));
  const { width, height } = FRAME;
  const panel = drawPanel(
    {
      title,
      xLabel,
      frame: FRAME,
      xRange: [Math.min(...across), Math.max(...across)],
      log: false,
      curves: drawn.map(({ name, points }, i) => ({
        name,
        points,
        ink: INKS[i % INKS.length]!,
        dash: '',
        smoothed: null,
      })),
    },
    0,
    0,
    inFonts,
  );
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeText(title)}">${panel}</svg>`;
}
