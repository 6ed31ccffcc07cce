/** Rays of a look's camera at one moment. */
import type { Solid } from '../solid.js';
import type { Placed, View } from '../view.js';
import type { Look } from './look.js';

/** Nearer than this nothing is seen: the ray has met a surface that the camera is in. */
export const NEAR = 0.05;

export const turned = (angle: number) => ({ cos: Math.cos(angle), sin: Math.sin(angle) });

/** Aims rays at points of a frame. The fields describe the last one; its parameter is the depth. */
export class Lens {
  /** direction in coordinates that pan with the camera */
  dx = 0;
  dy = 0;
  dz = 1;
  /** the same in the world; its y is `dy` */
  wx = 0;
  wz = 1;
  /** where it meets the plane across the optical axis of a camera that has not panned, at distance 1 */
  across = 0;
  up = 0;
  /** its component along that axis */
  ahead = 1;
  /** side of a pixel at depth 1 */
  readonly step: number;
  private readonly pitch: { cos: number; sin: number };
  private readonly roll: { cos: number; sin: number };
  private readonly yaw: { cos: number; sin: number };

  constructor(
    private readonly camera: Look['camera'],
    readonly width: number,
    readonly height: number,
    view: View,
  ) {
    this.step = 1 / (Math.min(width, height) * view.focal);
    this.pitch = turned(camera.pitch);
    this.roll = turned(camera.roll);
    this.yaw = turned(view.yaw);
  }

  /** @param x, y   place on the frame in pixels */
  aim(x: number, y: number): void {
    const { pitch, roll, yaw, step } = this;
    const a = (x - this.width / 2) * step;
    const b = -(y - this.height / 2) * step;
    this.dx = a * roll.cos - b * roll.sin;
    const v = a * roll.sin + b * roll.cos;
    this.dy = v * pitch.cos - pitch.sin;
    this.dz = pitch.cos + v * pitch.sin;
    this.wx = this.dx * yaw.cos + this.dz * yaw.sin;
    this.wz = this.dz * yaw.cos - this.dx * yaw.sin;
  }

  /** Sets `across`, `up` and `ahead` to where the last ray goes. */
  aimAtScreen(): void {
    const { cos, sin } = this.pitch;
    this.ahead = this.wz * cos - this.dy * sin;
    this.across = this.wx / this.ahead;
    this.up = (this.dy * cos + this.wz * sin) / this.ahead;
  }

  /** The pixels that a solid may cover; right and bottom exclusive. */
  boxOf({ reach, height }: Pick<Solid, 'reach' | 'height'>, placed: Placed): Box {
    return this.boxAround(
      { x: placed.x - reach, y: placed.y, z: placed.z - reach },
      { x: placed.x + reach, y: placed.y + height, z: placed.z + reach },
    );
  }

  /** The pixels that a part of space may cover, in coordinates that pan with the camera. */
  boxAround(low: Place, high: Place): Box {
    const { pitch, roll, step, width, height } = this;
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let corner = 0; corner < 8; corner++) {
      const x = corner & 1 ? high.x : low.x;
      const y = (corner & 2 ? high.y : low.y) - this.camera.height;
      const z = corner & 4 ? high.z : low.z;
      const depth = z * pitch.cos - y * pitch.sin;
      if (depth < NEAR) return { left: 0, right: width, top: 0, bottom: height }; // too near to tell
      const u = x / depth;
      const v = (y * pitch.cos + z * pitch.sin) / depth;
      const across = (u * roll.cos + v * roll.sin) / step + width / 2;
      const down = (u * roll.sin - v * roll.cos) / step + height / 2;
      left = Math.min(left, across);
      right = Math.max(right, across);
      top = Math.min(top, down);
      bottom = Math.max(bottom, down);
    }
    // a pixel more on each side, for smooth edges
    return {
      left: Math.max(0, Math.floor(left) - 1),
      right: Math.min(width, Math.ceil(right) + 1),
      top: Math.max(0, Math.floor(top) - 1),
      bottom: Math.min(height, Math.ceil(bottom) + 1),
    };
  }
}

interface Place {
  x: number;
  y: number;
  z: number;
}

export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}
