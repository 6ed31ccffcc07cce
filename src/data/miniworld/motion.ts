/** How much a clip moves, from the exact optical flow of its scene. */
import type { Rendered, RenderOptions } from './render.js';
import { FAR } from './render.js';
import type { Scene } from './scene.js';
import {
  COS_PITCH,
  frameTimes,
  type Placed,
  placeAt,
  SIN_PITCH,
  type View,
  viewAt,
} from './view.js';

const GRID = 16; // points per side at which the flow is taken

/**
 * The mean length of the exact optical flow, in pixels of this clip's size per frame, over a
 * regular grid of 16x16 points of each frame; 0 for an image.
 */
export function motionScore(
  scene: Scene,
  { depth, masks }: Pick<Rendered, 'depth' | 'masks'>,
  { width, height, numFrames }: RenderOptions,
): number {
  const times = frameTimes(scene, numFrames);
  let total = 0;
  for (let f = 0; f + 1 < numFrames; f++) {
    const from = viewAt(scene, times[f]);
    const to = viewAt(scene, times[f + 1]);
    const moves = scene.objects.map((solid) => [
      placeAt(solid, times[f], from),
      placeAt(solid, times[f + 1], to),
    ]);
    if (from.yaw === to.yaw && from.focal === to.focal && moves.every(isSame)) {
      continue;
    }
    for (let i = 0; i < GRID * GRID; i++) {
      const column = Math.floor((((i % GRID) + 0.5) / GRID) * width);
      const row = Math.floor(((Math.floor(i / GRID) + 0.5) / GRID) * height);
      const p = (f * height + row) * width + column;
      const scale = Math.min(width, height);
      const u = (column + 0.5 - width / 2) / scale;
      const v = -(row + 0.5 - height / 2) / scale;
      const move = masks[p] > 0 ? moves[masks[p] - 1] : undefined;
      total += flowLength(u, v, depth[p], from, to, move) * scale;
    }
  }
  return numFrames > 1 ? total / (GRID * GRID * (numFrames - 1)) : 0;
}

function isSame([a, b]: Placed[]): boolean {
  return a.x === b.x && a.y === b.y && a.z === b.z && a.yaw === b.yaw;
}

/** How far the point at (u, v), v up, goes in units of the frame's shorter side. */
function flowLength(
  u: number,
  v: number,
  depth: number,
  from: View,
  to: View,
  move: Placed[] | undefined,
): number {
  // the point in coordinates turned with the first camera
  const t = depth < FAR ? depth : 1e6; // the sky only turns
  let x = (u / from.focal) * t;
  let y = ((v / from.focal) * COS_PITCH - SIN_PITCH) * t;
  let z = (COS_PITCH + (v / from.focal) * SIN_PITCH) * t;
  if (move) {
    const [a, b] = move;
    const c = Math.cos(b.yaw - a.yaw);
    const s = Math.sin(b.yaw - a.yaw);
    const dx = x - a.x;
    const dz = z - a.z;
    x = b.x + dx * c + dz * s;
    y += b.y - a.y;
    z = b.z - dx * s + dz * c;
  } else {
    const c = Math.cos(to.yaw - from.yaw);
    const s = Math.sin(to.yaw - from.yaw);
    [x, z] = [x * c - z * s, x * s + z * c];
  }
  const ahead = z * COS_PITCH - y * SIN_PITCH;
  const u1 = (to.focal * x) / ahead;
  const v1 = (to.focal * (y * COS_PITCH + z * SIN_PITCH)) / ahead;
  return Math.hypot(u1 - u, v1 - v);
}
