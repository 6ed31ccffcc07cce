/** How much a clip moves, from the exact optical flow of its scene. */
import type { Rendered, RenderOptions } from './render.js';
import { FAR } from './render.js';
import type { Scene } from './scene.js';
import { COS_PITCH, frameTimes, type Placed, placeAt, SIN_PITCH, viewAt } from './view.js';

const GRID = 16; // points per side at which the flow is taken

/**
 * Mean magnitude of the exact optical flow, in pixels (at this clip's size) per frame, over a regular
 * grid of 16x16 points in each frame; 0 for an image.
 */
export function motionScore(
  scene: Scene,
  { depth, masks }: Pick<Rendered, 'depth' | 'masks'>,
  { width, height, numFrames }: RenderOptions,
): number {
  const times = frameTimes(scene, numFrames);
  const scale = Math.min(width, height);
  let total = 0;
  for (let f = 0; f + 1 < numFrames; f++) {
    const from = viewAt(scene, times[f]);
    const to = viewAt(scene, times[f + 1]);
    // by mask value: the motion that takes a point from one frame's camera coordinates to the next's
    const steps = [stepBetween(AT_CAMERA, { ...AT_CAMERA, yaw: from.yaw - to.yaw })];
    for (const solid of scene.objects) {
      steps.push(stepBetween(placeAt(solid, times[f], from), placeAt(solid, times[f + 1], to)));
    }
    if (from.focal === to.focal && steps.every((step) => step.still)) {
      continue;
    }
    for (let i = 0; i < GRID; i++) {
      const row = Math.floor(((i + 0.5) / GRID) * height);
      const v = -(row + 0.5 - height / 2) / (scale * from.focal);
      for (let j = 0; j < GRID; j++) {
        const column = Math.floor(((j + 0.5) / GRID) * width);
        const u = (column + 0.5 - width / 2) / (scale * from.focal);
        const p = (f * height + row) * width + column;
        total += flowLength(u, v, depth[p], steps[masks[p]], from.focal, to.focal);
      }
    }
  }
  return numFrames > 1 ? (total * scale) / (GRID * GRID * (numFrames - 1)) : 0;
}

const AT_CAMERA: Placed = { x: 0, y: 0, z: 0, yaw: 0 };

/** A rotation about the vertical axis through `a`, then a translation by (dx, dy, dz). */
interface Step {
  still: boolean;
  a: Placed;
  cos: number;
  sin: number;
  dx: number;
  dy: number;
  dz: number;
}

function stepBetween(a: Placed, b: Placed): Step {
  const [dx, dy, dz] = [b.x - a.x, b.y - a.y, b.z - a.z];
  const still = dx === 0 && dy === 0 && dz === 0 && a.yaw === b.yaw;
  return { still, a, cos: Math.cos(b.yaw - a.yaw), sin: Math.sin(b.yaw - a.yaw), dx, dy, dz };
}

/** Magnitude of the flow at the ray (u, v, 1), in units of the frame's shorter side. */
function flowLength(
  u: number,
  v: number,
  depth: number,
  step: Step,
  focal: number,
  nextFocal: number,
): number {
  const t = depth < FAR ? depth : 1e6; // the sky only rotates
  const x = u * t - step.a.x;
  const y = (v * COS_PITCH - SIN_PITCH) * t + step.dy;
  const z = (COS_PITCH + v * SIN_PITCH) * t - step.a.z;
  const x1 = step.a.x + x * step.cos + z * step.sin + step.dx;
  const z1 = step.a.z - x * step.sin + z * step.cos + step.dz;
  const scale = nextFocal / (z1 * COS_PITCH - y * SIN_PITCH);
  const du = x1 * scale - u * focal;
  const dv = (y * COS_PITCH + z1 * SIN_PITCH) * scale - v * focal;
  return Math.sqrt(du * du + dv * dv);
}
