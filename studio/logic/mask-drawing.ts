/** Draws strokes, boxes and the like onto a mask. */
import type { Box, Gray, PaintAction, Point, Stroke } from './mask-actions.js';

/** Draws what was done onto the picture. */
export function draw(picture: Gray, action: PaintAction): void {
  if (action.kind === 'picture') picture.data.set(action.gray.data);
  else if (action.kind === 'flood') picture.data.fill(action.fill ? 255 : 0);
  else if (action.kind === 'box') drawBox(picture, action);
  else {
    const { points } = action;
    for (const [i, point] of points.entries())
      drawSegment(picture, action, points[i - 1] ?? point, point);
  }
}

/** The part of a stroke between two of its points. */
export function drawSegment(picture: Gray, stroke: Stroke, from: Point, to: Point): void {
  const { radius, feather, erase } = stroke;
  const soft = Math.max(1, radius * feather);
  const [lengthX, lengthY] = [to.x - from.x, to.y - from.y];
  const squared = lengthX * lengthX + lengthY * lengthY;
  eachPixel(
    picture,
    boundsOf(from, to, radius + 1),
    (x, y) => {
      const along = squared ? ((x - from.x) * lengthX + (y - from.y) * lengthY) / squared : 0;
      const share = Math.min(1, Math.max(0, along));
      const distance = Math.hypot(x - from.x - lengthX * share, y - from.y - lengthY * share);
      return (radius + 0.5 - distance) / soft;
    },
    erase,
  );
}

function drawBox(picture: Gray, { x, y, width, height, feather, erase }: Box): void {
  const soft = Math.max(1, feather);
  const bounds = { left: x, top: y, right: x + width, bottom: y + height };
  eachPixel(
    picture,
    bounds,
    (px, py) => {
      const inside = Math.min(
        px - bounds.left,
        bounds.right - px,
        py - bounds.top,
        bounds.bottom - py,
      );
      return (inside + 0.5) / soft;
    },
    erase,
  );
}

interface Bounds {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const boundsOf = (from: Point, to: Point, by: number): Bounds => ({
  left: Math.min(from.x, to.x) - by,
  top: Math.min(from.y, to.y) - by,
  right: Math.max(from.x, to.x) + by,
  bottom: Math.max(from.y, to.y) + by,
});

/** Paints or erases pixels; `cover` says how much of the one with this centre, 0 to 1 and beyond. */
function eachPixel(
  { width, height, data }: Gray,
  { left, top, right, bottom }: Bounds,
  cover: (x: number, y: number) => number,
  erase: boolean,
): void {
  const [firstX, lastX] = [Math.max(0, Math.floor(left)), Math.min(width, Math.ceil(right))];
  const [firstY, lastY] = [Math.max(0, Math.floor(top)), Math.min(height, Math.ceil(bottom))];
  for (let y = firstY; y < lastY; y++) {
    for (let x = firstX; x < lastX; x++) {
      const value = Math.round(Math.min(1, Math.max(0, cover(x + 0.5, y + 0.5))) * 255);
      const at = y * width + x;
      data[at] = erase ? Math.min(data[at]!, 255 - value) : Math.max(data[at]!, value);
    }
  }
}

/** The picture, moved by whole pixels; black comes in from the border. */
export function shifted({ width, height, data }: Gray, dx: number, dy: number): Gray {
  const moved = new Uint8Array(width * height);
  for (let y = Math.max(0, dy); y < Math.min(height, height + dy); y++) {
    const from = (y - dy) * width + Math.max(0, -dx);
    const length = width - Math.abs(dx);
    if (length > 0) moved.set(data.subarray(from, from + length), y * width + Math.max(0, dx));
  }
  return { width, height, data: moved };
}
