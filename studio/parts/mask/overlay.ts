/** Shows a mask as a colour over the picture. */
import type { Gray } from '../../logic/mask.js';

/** Seen on most pictures; it is also the colour of the page's marks on masks. */
const COLOUR = [255, 92, 57] as const;
const OPACITY = 0.62;

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
  for (const [i, value] of mask.data.entries()) {
    if (value === 0) continue;
    image.data.set(COLOUR, i * 4);
    image.data[i * 4 + 3] = value * OPACITY;
  }
  context.putImageData(image, 0, 0);
  if (!outline) return;
  context.fillStyle = `rgb(${COLOUR.join(' ')} / ${OPACITY})`;
  context.fillRect(outline.x, outline.y, outline.width, outline.height);
}
