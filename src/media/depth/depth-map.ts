/** Depth of the frames of a clip. */
import type { Size } from '../frames.js';

/** `data` is [F, H, W] float32; larger is nearer. */
export interface DepthMap extends Size {
  path: string;
  numFrames: number;
  data: Float32Array;
  /** frames a second of a clip; null, or left out: not said */
  fps?: number | null;
}
