/**
 * The camera, and the positions of solids over time.
 *
 * World coordinates: x right, y up, z ahead; the ground is y = 0 and the camera is at (0, 2.7, 0). Each
 * frame is computed in coordinates rotated with the camera's pan, so that only its pitch p remains: a
 * pixel's ray is (u, v cos p - sin p, cos p + v sin p), and the ray parameter equals the depth along the
 * optical axis.
 */
import type { Solid } from './solid.js';

export const CAMERA_HEIGHT = 2.7;
export const PITCH = 0.3;
export const COS_PITCH = Math.cos(PITCH);
export const SIN_PITCH = Math.sin(PITCH);

/** The camera over a clip: at its start and at its end. */
export interface CameraPath {
  /** radians, positive to the right */
  yaw: [number, number];
  /** units of the frame's shorter side */
  focal: [number, number];
}

/** The camera at one moment. */
export interface View {
  /** pan angle in radians, positive to the right */
  yaw: number;
  /** focal length in units of the frame's shorter side */
  focal: number;
}

/** A solid at one moment, in coordinates rotated with the camera's pan. */
export interface Placed {
  x: number;
  /** height of its lowest point above the ground */
  y: number;
  z: number;
  /** its rotation about the vertical axis, in radians */
  yaw: number;
}

/** A box on the frame in units of the frame's shorter side; origin in the middle, y down. */
export interface ScreenBox {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/**
 * The times of the frames of a clip, where 0..1 is the whole motion of the scene. Nine frames or
 * more show all of it, fewer show its beginning, and an image shows the scene's `stillTime`.
 */
export function frameTimes(scene: { stillTime: number }, numFrames: number): number[] {
  if (numFrames === 1) {
    return [scene.stillTime];
  }
  const last = Math.max(numFrames - 1, 8);
  return Array.from({ length: numFrames }, (_, f) => f / last);
}

/**
 * The camera at `time` in 0..1.
 *
 * @param camera  yaw and focal length at the start and the end of the clip
 */
export function viewAt({ camera }: { camera: CameraPath }, time: number): View {
  const { yaw, focal } = camera;
  return {
    yaw: yaw[0] + (yaw[1] - yaw[0]) * time,
    focal: focal[0] + (focal[1] - focal[0]) * time,
  };
}

/** The position of a solid at `time` in 0..1, in coordinates rotated by `view.yaw`. */
export function placeAt(solid: Solid, time: number, view: View): Placed {
  const x = solid.start[0] + solid.move[0] * time;
  const z = solid.start[2] + solid.move[2] * time;
  const c = Math.cos(view.yaw);
  const s = Math.sin(view.yaw);
  return {
    x: x * c - z * s,
    y: solid.start[1] + solid.move[1] * time,
    z: x * s + z * c,
    yaw: solid.turn + solid.turnBy * time - view.yaw,
  };
}

/** A box that contains the solid on the frame; not tight for any shape, but never too small. */
export function screenBox(solid: Solid, placed: Placed, focal: number): ScreenBox {
  const box = { left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity };
  const r = solid.reach;
  for (let corner = 0; corner < 8; corner++) {
    const x = placed.x + (corner & 1 ? r : -r);
    const y = placed.y + (corner & 2 ? solid.height : 0) - CAMERA_HEIGHT;
    const z = placed.z + (corner & 4 ? r : -r);
    const depth = Math.max(z * COS_PITCH - y * SIN_PITCH, 0.1);
    const u = (focal * x) / depth;
    const v = (-focal * (y * COS_PITCH + z * SIN_PITCH)) / depth;
    box.left = Math.min(box.left, u);
    box.right = Math.max(box.right, u);
    box.top = Math.min(box.top, v);
    box.bottom = Math.max(box.bottom, v);
  }
  return box;
}

/** The share of `box` that `other` covers, 0..1. */
export function overlap(box: ScreenBox, other: ScreenBox): number {
  const width = Math.min(box.right, other.right) - Math.max(box.left, other.left);
  const height = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
  if (width <= 0 || height <= 0) {
    return 0;
  }
  return (width * height) / ((box.right - box.left) * (box.bottom - box.top));
}
