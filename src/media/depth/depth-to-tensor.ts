import { fromArray, type Tensor } from '../../tensor/index.js';
import type { Size } from '../frames.js';
import { resize } from '../pixels/tensors.js';
import type { DepthMap } from './depth-map.js';

/** Resizes a map; the result is [F, H, W] float32. */
export function depthToTensor(map: DepthMap, size: Size): Tensor {
  const { width, height, numFrames, data } = map;
  // bilinear, because bicubic overshoots at edges, to depths that do not occur
  return resize(fromArray(data, [numFrames, height, width]), size, { mode: 'bilinear' });
}
