/** Shows a mask as a colour over the picture. */
import type { Gray } from '../../logic/mask-actions.js';

/** Stripes of two colours are seen on every picture, whatever is in it. */
const COLOURS = [
  [255, 45, 150],
  [255, 214, 236],
] as const;
const OPACITY = 0.66;

/** Stripes across the longer side. */
const STRIPES = 26;

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** @param outline   a box that is being drawn */
export function paintOverlay(canvas: HTMLCanvasElement, mask: Gray, outline?: Rectangle): void {
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(mask.width, mask.height);
  const stripe = Math.max(1, Math.round(Math.max(mask.width, mask.height) / STRIPES / 2));
  for (const [i, value] of mask.data.entries()) {
    if (value === 0) continue;
    const along = (i % mask.width) + Math.floor(i / mask.width);
    image.data.set(COLOURS[Math.floor(along / stripe) % 2]!, i * 4);
    image.data[i * 4 + 3] = value * OPACITY;
  }
  context.putImageData(image, 0, 0);
  if (!outline) return;
  context.fillStyle = `rgb(${COLOURS[0].join(' ')} / ${OPACITY})`;
  context.fillRect(outline.x, outline.y, outline.width, outline.height);
}
