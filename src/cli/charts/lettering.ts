/** Text in drawings, even if no fonts are installed. */
import sharp from 'sharp';
import { escapeText } from '../../html.js';
import { CHARACTER_WIDTH, eachDot } from '../../media/sheet/font.js';

export interface LetteringOptions {
  size?: number;
  anchor?: 'start' | 'middle' | 'end';
  bold?: boolean;
  fill?: string;
}

/** SVG of a text, with its baseline at `y`. */
export type Lettering = (
  x: number,
  y: number,
  content: string,
  options?: LetteringOptions,
) => string;

/** Text in the viewer's fonts. */
export const inFonts: Lettering = (
  x,
  y,
  content,
  { size = 12, anchor = 'start', bold = false, fill = INK } = {},
) =>
  `<text x="${round(x)}" y="${round(y)}" font-size="${size}" text-anchor="${anchor}"${bold ? ' font-weight="600"' : ''} fill="${fill}">${escapeText(content)}</text>`;

/** Text as shapes, from the dots of the built-in font. */
export const inDots: Lettering = (
  x,
  y,
  content,
  { size = 12, anchor = 'start', bold = false, fill = INK } = {},
) => {
  const dot = size / 10; // a capital is 7 dots high, 0.7 of a font's size
  const width = content.length * CHARACTER_WIDTH * dot;
  const left = x - (anchor === 'middle' ? width / 2 : anchor === 'end' ? width : 0);
  const side = round(bold ? dot * 1.3 : dot);
  let path = '';
  eachDot(content, (column, row) => {
    path += `M${round(left + column * dot)} ${round(y + (row - 7) * dot)}h${side}v${side}h-${side}z`;
  });
  return `<path d="${path}" fill="${fill}"/>`;
};

/** The lettering that works with sharp here: without fonts, it draws all characters alike, or none. */
export async function letteringForPictures(): Promise<Lettering> {
  const [narrow, wide] = await Promise.all(
    ['l', 'W'].map((content) => {
      const word = inFonts(5, 25, content, { size: 20 });
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" font-family="${FAMILY}">${word}</svg>`;
      return sharp(Buffer.from(svg)).raw().toBuffer();
    }),
  );
  return narrow!.equals(wide!) ? inDots : inFonts;
}

export const FAMILY = 'system-ui, DejaVu Sans, Helvetica, Arial, sans-serif';
export const INK = '#26251f';
export const round = (value: number): number => Math.round(value * 10) / 10;
