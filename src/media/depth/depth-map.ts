/** Depth of the frames of a clip. */
import type { Size } from '../frames.js';

/** `data` is [F, H, W] float32; larger is nearer. */
export interface DepthMap extends Size {
  path: string;
  numFrames: number;
  data: Float32Array;
  /** frame rate of a clip; null or absent if unknown */
  fps?: number | null;
}
