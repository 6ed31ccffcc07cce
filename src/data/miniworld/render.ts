/**
 * Renders a scene frame by frame: colour, exact depth and masks.
 *
 * One ray through each pixel's centre gives depth and mask. Where a neighbouring pixel shows another
 * solid, another face or the background, the colour is the mean of 2x2 rays. Sky and ground need no
 * rays: their depth is one number per row, the phases of the ground's two brightness waves advance along
 * a row by rotation, and the background of a still camera is painted once.
 */
import { Body } from './body.js';
import type { Scene } from './scene.js';
import { castRay } from './solids.js';
import {
  CAMERA_HEIGHT,
  COS_PITCH,
  frameTimes,
  placeAt,
  type ScreenBox,
  SIN_PITCH,
  screenBox,
  type View,
  viewAt,
} from './view.js';
import { COLOURS } from './vocabulary.js';

/** Depth of the sky and of any ground farther away, in world units. */
export const FAR = 40;

export interface RenderOptions {
  width: number;
  height: number;
  numFrames: number;
}

export interface Rendered {
  /** RGB, [F, H, W, 3] */
  frames: Uint8Array<ArrayBuffer>;
  /** distance along the optical axis in world units, at most `FAR`, [F, H, W] */
  depth: Float32Array<ArrayBuffer>;
  /** 0 for the background, otherwise 1 + the index in `scene.objects`, [F, H, W] */
  masks: Uint8Array<ArrayBuffer>;
}

/** A frame's camera and picture size, to convert between pixels and rays. */
interface Raster {
  width: number;
  height: number;
  view: View;
  /** u of a column and v of a row (up) at coordinate p: (p - centre) * step */
  step: number;
}

interface Actor {
  body: Body;
  colour: readonly [number, number, number];
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Renders the pixels of a scene; at another size the same scene differs only in sampling. */
export function renderScene(scene: Scene, { width, height, numFrames }: RenderOptions): Rendered {
  const area = width * height;
  const frames = new Uint8Array(numFrames * area * 3);
  const depth = new Float32Array(numFrames * area);
  const masks = new Uint8Array(numFrames * area);
  const keep = numFrames > 1 ? area : 0;
  const background = new Uint8Array(keep * 3);
  const depths0 = new Float32Array(keep);
  const actors = scene.objects.map((solid) => newActor(COLOURS[solid.colour]));
  const shades = new Float32Array(area);
  const faces = new Uint8Array(area); // 0 for the background, otherwise mask * 8 + face

  frameTimes(scene, numFrames).forEach((time, f) => {
    const view = viewAt(scene, time);
    const raster = { width, height, view, step: 1 / (Math.min(width, height) * view.focal) };
    const pixels = frames.subarray(f * area * 3, (f + 1) * area * 3);
    const depths = depth.subarray(f * area, (f + 1) * area);
    const ids = masks.subarray(f * area, (f + 1) * area);

    if (scene.camera.motion === 'still' && f > 0) {
      pixels.set(background);
      depths.set(depths0);
    } else {
      paintBackground(scene, raster, pixels, depths);
      if (f === 0 && numFrames > 1) {
        background.set(pixels);
        depths0.set(depths);
      }
    }
    const [lx, ly, lz] = scene.light;
    const c = Math.cos(view.yaw);
    const s = Math.sin(view.yaw);
    scene.objects.forEach((solid, i) => {
      const placed = placeAt(solid, time, view);
      actors[i].body.place(solid, placed, lx * c - lz * s, ly, lx * s + lz * c);
      boundActor(actors[i], screenBox(solid, placed, view.focal), raster);
      paintShadow(actors[i], solid.reach, placed.y, raster, pixels);
    });
    faces.fill(0);
    actors.forEach((actor, i) => {
      traceCentres(actor, i + 1, raster, depths, ids, shades, faces);
    });
    paintSolids(actors, raster, pixels, ids, shades, faces);
  });
  return { frames, depth, masks };
}

function newActor(colour: Actor['colour']): Actor {
  return { body: new Body(), colour, left: 0, right: 0, top: 0, bottom: 0 };
}

/**
 * Sets the actor's bounding box in pixels, with a margin of
 * one for smooth edges; `right` and `bottom` exclusive.
 */
function boundActor(actor: Actor, box: ScreenBox, { width, height }: Raster): void {
  const scale = Math.min(width, height);
  actor.left = Math.max(0, Math.floor(box.left * scale + width / 2) - 1);
  actor.right = Math.min(width, Math.ceil(box.right * scale + width / 2) + 1);
  actor.top = Math.max(0, Math.floor(box.top * scale + height / 2) - 1);
  actor.bottom = Math.min(height, Math.ceil(box.bottom * scale + height / 2) + 1);
}

/** Paints sky, haze and ground, and their depth. */
function paintBackground(
  { ground }: Scene,
  { width, height, view, step }: Raster,
  pixels: Uint8Array,
  depths: Float32Array,
): void {
  const [waveA, waveB] = ground.waves;
  const c = Math.cos(view.yaw);
  const s = Math.sin(view.yaw);
  const u0 = (0.5 - width / 2) * step;
  for (let row = 0; row < height; row++) {
    const v = -(row + 0.5 - height / 2) * step;
    const dy = v * COS_PITCH - SIN_PITCH;
    const dz = COS_PITCH + v * SIN_PITCH;
    const t = dy < 0 ? Math.min(-CAMERA_HEIGHT / dy, FAR) : FAR;
    depths.fill(t, row * width, (row + 1) * width);

    // distant ground takes on the horizon's colour, and its waves fade out
    const haze = dy < 0 ? 1 - Math.exp((-t * t) / 289) : Math.min(1, dy / 0.16);
    const from = dy < 0 ? ground.colour : ground.horizon;
    const to = dy < 0 ? ground.horizon : ground.sky;
    const red = from[0] + (to[0] - from[0]) * haze;
    const green = from[1] + (to[1] - from[1]) * haze;
    const blue = from[2] + (to[2] - from[2]) * haze;
    const strength = dy < 0 ? 0.055 * (1 - haze) : 0;

    // a wave's phase is linear in the column, so its sine and cosine rotate by a fixed angle
    const z = dz * t;
    const phase = (wave: readonly number[], x: number) =>
      wave[0] * (x * c + z * s) + wave[1] * (z * c - x * s) + wave[2];
    const a = phase(waveA, u0 * t);
    const b = phase(waveB, u0 * t);
    const turnA = (waveA[0] * c - waveA[1] * s) * step * t;
    const turnB = (waveB[0] * c - waveB[1] * s) * step * t;
    let sinA = Math.sin(a);
    let cosA = Math.cos(a);
    let sinB = Math.sin(b);
    let cosB = Math.cos(b);
    const cA = Math.cos(turnA);
    const sA = Math.sin(turnA);
    const cB = Math.cos(turnB);
    const sB = Math.sin(turnB);
    const end = (row + 1) * width * 3;
    for (let p = row * width * 3; p < end; p += 3) {
      const light = 1 + strength * (sinA + sinB);
      pixels[p] = red * light + 0.5;
      pixels[p + 1] = green * light + 0.5;
      pixels[p + 2] = blue * light + 0.5;
      const nextA = sinA * cA + cosA * sA;
      cosA = cosA * cA - sinA * sA;
      sinA = nextA;
      const nextB = sinB * cB + cosB * sB;
      cosB = cosB * cB - sinB * sB;
      sinB = nextB;
    }
  }
}

/**
 * Paints the soft shadow on the ground around the foot of a
 * solid; wider and fainter the higher it floats.
 */
function paintShadow(
  { body }: Actor,
  reach: number,
  lift: number,
  { width, height, step }: Raster,
  pixels: Uint8Array,
): void {
  const radius = reach * (1.35 + 0.35 * lift);
  const strength = 0.5 / (1 + 1.2 * lift);
  // away from the light
  const x = -body.ox - body.lx * (0.35 * reach + 0.5 * lift);
  const z = -body.oz - body.lz * (0.35 * reach + 0.5 * lift);
  const rowOf = (z: number) => {
    const depth = z * COS_PITCH + CAMERA_HEIGHT * SIN_PITCH;
    const v = (-CAMERA_HEIGHT * COS_PITCH + z * SIN_PITCH) / depth;
    return height / 2 - v / step;
  };
  const top = Math.max(0, Math.floor(rowOf(z + radius)));
  const bottom = Math.min(height, Math.ceil(rowOf(Math.max(z - radius, 0.5))));
  for (let row = top; row < bottom; row++) {
    const v = -(row + 0.5 - height / 2) * step;
    const dy = v * COS_PITCH - SIN_PITCH;
    if (dy >= 0) {
      continue;
    }
    const t = -CAMERA_HEIGHT / dy;
    const dz = ((COS_PITCH + v * SIN_PITCH) * t - z) / radius;
    const half = 1 - dz * dz;
    if (half <= 0) {
      continue;
    }
    const reachX = Math.sqrt(half) * radius;
    const left = Math.max(0, Math.floor((x - reachX) / (t * step) + width / 2));
    const right = Math.min(width, Math.ceil((x + reachX) / (t * step) + width / 2));
    for (let column = left; column < right; column++) {
      const dx = ((column + 0.5 - width / 2) * step * t - x) / radius;
      const inside = 1 - dx * dx - dz * dz;
      if (inside > 0) {
        const light = 1 - strength * inside * inside;
        const p = (row * width + column) * 3;
        pixels[p] = pixels[p] * light + 0.5;
        pixels[p + 1] = pixels[p + 1] * light + 0.5;
        pixels[p + 2] = pixels[p + 2] * light + 0.5;
      }
    }
  }
}

/** Casts one ray through each pixel centre in the actor's box and keeps the nearest hit. */
function traceCentres(
  { body, left, right, top, bottom }: Actor,
  id: number,
  { width, height, step }: Raster,
  depths: Float32Array,
  ids: Uint8Array,
  shades: Float32Array,
  faces: Uint8Array,
): void {
  for (let row = top; row < bottom; row++) {
    const v = -(row + 0.5 - height / 2) * step;
    const dy = v * COS_PITCH - SIN_PITCH;
    const dz = COS_PITCH + v * SIN_PITCH;
    for (let column = left, p = row * width + left; column < right; column++, p++) {
      const u = (column + 0.5 - width / 2) * step;
      if (castRay(body, u, dy, dz) && body.t < depths[p]) {
        depths[p] = body.t;
        ids[p] = id;
        shades[p] = body.shade;
        faces[p] = id * 8 + body.face;
      }
    }
  }
}

/** Colours the pixels of the solids, antialiased where neighbours differ. */
function paintSolids(
  actors: Actor[],
  raster: Raster,
  pixels: Uint8Array,
  ids: Uint8Array,
  shades: Float32Array,
  faces: Uint8Array,
): void {
  const { width, height } = raster;
  actors.forEach((actor, i) => {
    for (let row = actor.top; row < actor.bottom; row++) {
      const up = row > 0 ? width : 0;
      const down = row < height - 1 ? width : 0;
      for (let column = actor.left; column < actor.right; column++) {
        const p = row * width + column;
        const face = faces[p];
        const before = column > 0 ? 1 : 0;
        const after = column < width - 1 ? 1 : 0;
        const edge =
          face !== faces[p - before] ||
          face !== faces[p + after] ||
          face !== faces[p - up] ||
          face !== faces[p + down];
        if (edge) {
          // where boxes overlap, the first actor paints the pixel for all
          if (!isInAnyBox(actors, i, row, column)) {
            paintEdge(actors, raster, row, column, pixels);
          }
        } else if (ids[p] === i + 1) {
          const shade = shades[p];
          const [red, green, blue] = actor.colour;
          pixels[p * 3] = Math.min(red * shade + 0.5, 255);
          pixels[p * 3 + 1] = Math.min(green * shade + 0.5, 255);
          pixels[p * 3 + 2] = Math.min(blue * shade + 0.5, 255);
        }
      }
    }
  });
}

/** True if the pixel lies in the box of one of the first `count` actors. */
function isInAnyBox(actors: Actor[], count: number, row: number, column: number): boolean {
  for (let i = 0; i < count; i++) {
    const { left, right, top, bottom } = actors[i];
    if (row >= top && row < bottom && column >= left && column < right) {
      return true;
    }
  }
  return false;
}

/** Paints a pixel with the mean of 2x2 rays; rays that hit nothing use the background already painted. */
function paintEdge(
  actors: Actor[],
  { width, height, step }: Raster,
  row: number,
  column: number,
  pixels: Uint8Array,
): void {
  let red = 0;
  let green = 0;
  let blue = 0;
  const p = (row * width + column) * 3;
  for (let sample = 0; sample < 4; sample++) {
    const u = (column + (sample & 1 ? 0.75 : 0.25) - width / 2) * step;
    const v = -(row + (sample & 2 ? 0.75 : 0.25) - height / 2) * step;
    const dy = v * COS_PITCH - SIN_PITCH;
    const dz = COS_PITCH + v * SIN_PITCH;
    let nearest: Actor | undefined;
    for (let i = 0; i < actors.length; i++) {
      const actor = actors[i];
      if (
        row >= actor.top &&
        row < actor.bottom &&
        column >= actor.left &&
        column < actor.right &&
        castRay(actor.body, u, dy, dz) &&
        (nearest === undefined || actor.body.t < nearest.body.t)
      ) {
        nearest = actor;
      }
    }
    if (nearest) {
      red += Math.min(nearest.colour[0] * nearest.body.shade, 255);
      green += Math.min(nearest.colour[1] * nearest.body.shade, 255);
      blue += Math.min(nearest.colour[2] * nearest.body.shade, 255);
    } else {
      red += pixels[p];
      green += pixels[p + 1];
      blue += pixels[p + 2];
    }
  }
  pixels[p] = red / 4 + 0.5;
  pixels[p + 1] = green / 4 + 0.5;
  pixels[p + 2] = blue / 4 + 0.5;
}
