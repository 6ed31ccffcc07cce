/**
 * Renders a scene with a look: rays meet the ground, the walls and the solids, whose distances are exact,
 * and take their colours from photos. Where neighbouring pixels show different surfaces, the colour is
 * the mean of 2x2 rays. What is behind the solids is painted once for a still camera.
 */
import { Body } from '../body.js';
import { FAR, type Rendered, type RenderOptions } from '../render.js';
import type { Scene } from '../scene.js';
import { castRay } from '../solids.js';
import { frameTimes, placeAt, type View, viewAt } from '../view.js';
import { type Box, Lens, NEAR, turned } from './lens.js';
import type { Look } from './look.js';
import { CEILING, GROUND, Painter, type Photos, SKY, WALL } from './painter.js';
import { boxOfShadow, type Shadow, Shadows } from './shadows.js';

export type { Photos } from './painter.js';

/** Renders the pixels of a scene; at another size the same scene differs only in sampling. */
export function renderLook(
  scene: Scene,
  look: Look,
  photos: Photos,
  { width, height, numFrames }: RenderOptions,
): Rendered {
  const area = width * height;
  const frames = new Uint8Array(numFrames * area * 3);
  const depth = new Float32Array(numFrames * area);
  const masks = new Uint8Array(numFrames * area);
  const painter = new Painter(look, photos);
  const shadows = new Shadows(scene, look);
  const isStill = scene.camera.motion === 'still';
  let behind: Layer | null = null;
  frameTimes(scene, numFrames).forEach((time, f) => {
    const view = viewAt(scene, time);
    const lens = new Lens(look.camera, width, height, view);
    if (!behind || !isStill) behind = paintBehind(lens, look, painter);
    const frame: Layer = {
      pixels: frames.subarray(f * area * 3, (f + 1) * area * 3),
      depths: depth.subarray(f * area, (f + 1) * area),
      parts: behind.parts.slice(),
    };
    frame.pixels.set(behind.pixels);
    frame.depths.set(behind.depths);
    if (look.ground) paintShadows(frame, shadows.at(time), lens, view, painter);
    const ids = masks.subarray(f * area, (f + 1) * area);
    paintSolids(frame, ids, actorsAt(scene, look, time, lens, view), lens, painter);
  });
  return { frames, depth, masks };
}

/** A frame, or what is behind its solids. */
interface Layer {
  /** RGB, [H, W, 3] */
  pixels: Uint8Array;
  /** [H, W] */
  depths: Float32Array;
  /** numbers of what is met, see `SKY`, [H, W] */
  parts: Uint8Array;
}

/** What a ray meets behind the solids. */
interface Met {
  t: number;
  part: number;
}

/** Paints ground, walls and backdrop, with smooth edges between them. */
function paintBehind(lens: Lens, look: Look, painter: Painter): Layer {
  const { width, height } = lens;
  const layer: Layer = {
    pixels: new Uint8Array(width * height * 3),
    depths: new Float32Array(width * height),
    parts: new Uint8Array(width * height),
  };
  const { pixels, depths, parts } = layer;
  const walls = turned(look.room?.turn ?? 0);
  const met: Met = { t: FAR, part: SKY };
  for (let row = 0, p = 0; row < height; row++) {
    for (let column = 0; column < width; column++, p++) {
      lens.aim(column + 0.5, row + 0.5);
      meet(met, lens, look, walls);
      depths[p] = met.t;
      parts[p] = met.part;
      painter.t = met.t;
      painter.light = 1;
      painter.behind(lens, met.part);
      setPixel(pixels, p, painter.colour, 1);
    }
  }
  const whole = { left: 0, right: width, top: 0, bottom: height };
  const sum = new Float32Array(3);
  forEdges(parts, width, height, whole, (p, column, row) => {
    sum.fill(0);
    for (let sample = 0; sample < 4; sample++) {
      lens.aim(column + (sample & 1 ? 0.75 : 0.25), row + (sample & 2 ? 0.75 : 0.25));
      meet(met, lens, look, walls);
      painter.t = met.t;
      painter.light = 1;
      painter.behind(lens, met.part);
      for (let c = 0; c < 3; c++) sum[c]! += Math.min(255, painter.colour[c]!);
    }
    setPixel(pixels, p, sum, 0.25);
  });
  return layer;
}

function meet(
  met: Met,
  { wx, dy, wz }: Lens,
  { ground, room, camera }: Look,
  walls: { cos: number; sin: number },
): void {
  met.t = FAR;
  met.part = SKY;
  if (dy < 0 && ground) nearer(met, camera.height / -dy, GROUND);
  if (!room) return;
  const rx = wx * walls.cos - wz * walls.sin;
  const rz = wx * walls.sin + wz * walls.cos;
  if (rx < 0) nearer(met, room.left / -rx, WALL);
  if (rx > 0) nearer(met, room.right / rx, WALL + 1);
  if (rz > 0) nearer(met, room.back / rz, WALL + 2);
  if (rz < 0) nearer(met, room.front / -rz, WALL + 3);
  if (dy > 0) nearer(met, (room.ceiling - camera.height) / dy, CEILING);
}

function nearer(met: Met, t: number, part: number): void {
  if (t >= met.t) return;
  met.t = t;
  met.part = part;
}

/** Paints the ground again where less light reaches it. */
function paintShadows(
  { pixels, depths, parts }: Layer,
  shadows: readonly Shadow[],
  lens: Lens,
  view: View,
  painter: Painter,
): void {
  shadows.forEach((shadow, i) => {
    const { left, right, top, bottom } = boxOfShadow(shadow, lens, view);
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const p = row * lens.width + column;
        if (parts[p] !== GROUND) continue;
        lens.aim(column + 0.5, row + 0.5);
        const t = depths[p]!;
        const x = lens.wx * t;
        const z = lens.wz * t;
        const share = shadow.at(x, z);
        if (share === 0) continue;
        let light = 1 - share;
        // what lies in several shadows is painted with all of them each time
        for (let other = 0; other < shadows.length; other++) {
          if (other !== i) light *= 1 - shadows[other]!.at(x, z);
        }
        painter.t = t;
        painter.light = light;
        painter.behind(lens, GROUND);
        setPixel(pixels, p, painter.colour, 1);
      }
    }
  });
}

/** A solid at one moment, and the pixels that it may cover. */
interface Actor {
  body: Body;
  box: Box;
}

function actorsAt(
  { objects, light: [lx, ly, lz] }: Scene,
  { camera }: Look,
  time: number,
  lens: Lens,
  view: View,
): Actor[] {
  const { cos, sin } = turned(view.yaw);
  return objects.map((solid) => {
    const placed = placeAt(solid, time, view);
    const body = new Body();
    body.place(solid, placed, lx * cos - lz * sin, ly, lx * sin + lz * cos, camera.height);
    return { body, box: lens.boxOf(solid, placed) };
  });
}

/** Paints the solids over what is behind them, with smooth edges. */
function paintSolids(
  { pixels, depths, parts }: Layer,
  ids: Uint8Array,
  actors: readonly Actor[],
  lens: Lens,
  painter: Painter,
): void {
  const { width, height } = lens;
  actors.forEach(({ body, box }, i) => {
    for (let row = box.top; row < box.bottom; row++) {
      for (let column = box.left; column < box.right; column++) {
        lens.aim(column + 0.5, row + 0.5);
        if (!castRay(body, lens.dx, lens.dy, lens.dz)) continue;
        const p = row * width + column;
        if (body.t < NEAR || body.t >= depths[p]!) continue;
        depths[p] = body.t;
        ids[p] = i + 1;
        parts[p] = 8 + i * 8 + body.face;
      }
    }
  });
  const done = new Uint8Array(width * height);
  const sum = new Float32Array(3);
  actors.forEach(({ body, box }, i) => {
    forEdges(parts, width, height, box, (p, column, row) => {
      // an edge between parts of what is behind is smooth already
      if (done[p] || !touchesSolid(parts, p, column, row, width, height)) return;
      done[p] = 1;
      sum.fill(0);
      for (let sample = 0; sample < 4; sample++) {
        lens.aim(column + (sample & 1 ? 0.75 : 0.25), row + (sample & 2 ? 0.75 : 0.25));
        const index = nearestAt(actors, column, row, lens);
        if (index >= 0) painter.solid(index, actors[index]!.body, lens);
        for (let c = 0; c < 3; c++) {
          sum[c]! += index >= 0 ? Math.min(255, painter.colour[c]!) : pixels[p * 3 + c]!;
        }
      }
      setPixel(pixels, p, sum, 0.25);
    });
    for (let row = box.top; row < box.bottom; row++) {
      for (let column = box.left; column < box.right; column++) {
        const p = row * width + column;
        if (ids[p] !== i + 1 || done[p]) continue;
        lens.aim(column + 0.5, row + 0.5);
        castRay(body, lens.dx, lens.dy, lens.dz);
        painter.solid(i, body, lens);
        setPixel(pixels, p, painter.colour, 1);
      }
    }
  });
}

/** Index of the solid that the lens's ray meets first; -1 for none. */
function nearestAt(actors: readonly Actor[], column: number, row: number, lens: Lens): number {
  let found = -1;
  let t = FAR;
  for (let i = 0; i < actors.length; i++) {
    const { body, box } = actors[i]!;
    if (column < box.left || column >= box.right || row < box.top || row >= box.bottom) continue;
    if (!castRay(body, lens.dx, lens.dy, lens.dz) || body.t < NEAR || body.t >= t) continue;
    found = i;
    t = body.t;
  }
  return found;
}

/** Visits the pixels of a box whose neighbours show another part. */
function forEdges(
  parts: Uint8Array,
  width: number,
  height: number,
  { left, right, top, bottom }: Box,
  visit: (p: number, column: number, row: number) => void,
): void {
  for (let row = top; row < bottom; row++) {
    for (let column = left, p = row * width + left; column < right; column++, p++) {
      const part = parts[p];
      const isInside =
        (column === 0 || parts[p - 1] === part) &&
        (column === width - 1 || parts[p + 1] === part) &&
        (row === 0 || parts[p - width] === part) &&
        (row === height - 1 || parts[p + width] === part);
      if (!isInside) visit(p, column, row);
    }
  }
}

function touchesSolid(
  parts: Uint8Array,
  p: number,
  column: number,
  row: number,
  width: number,
  height: number,
): boolean {
  return (
    parts[p]! >= 8 ||
    (column > 0 && parts[p - 1]! >= 8) ||
    (column < width - 1 && parts[p + 1]! >= 8) ||
    (row > 0 && parts[p - width]! >= 8) ||
    (row < height - 1 && parts[p + width]! >= 8)
  );
}

function setPixel(pixels: Uint8Array, p: number, colour: Float32Array, share: number): void {
  pixels[p * 3] = Math.min(255, colour[0]! * share + 0.5);
  pixels[p * 3 + 1] = Math.min(255, colour[1]! * share + 0.5);
  pixels[p * 3 + 2] = Math.min(255, colour[2]! * share + 0.5);
}
