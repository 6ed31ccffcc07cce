/** Converts frames, as the data workers make them, to tensors. */
import { fromArray, type Tensor } from '../../tensor/index.js';

/** uint8 [B, F, H, W, 3] → [B, 3, F, H, W] float32 in -1..1 */
export function videoFromBytes(data: Uint8Array, shape: number[]): Tensor {
  return videoFromTensor(fromArray(data, shape));
}

/** The same from a uint8 tensor. */
export function videoFromTensor(frames: Tensor): Tensor {
  return frames.permute([0, 4, 1, 2, 3]).to('float32').div(127.5).sub(1).contiguous();
}
