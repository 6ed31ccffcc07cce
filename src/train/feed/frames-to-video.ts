/** Converts frames, as the data workers make them, to tensors. */
import { fromArray, type Tensor, upload } from '../../tensor/index.js';

/** uint8 [B, F, H, W, 3] → [B, 3, F, H, W] float32 in -1..1, on a device */
export function videoFromBytes(data: Uint8Array, shape: number[], device = 'cpu'): Tensor {
  return videoFromTensor(upload(fromArray(data, shape), device));
}

/** The same from a uint8 tensor. */
export function videoFromTensor(frames: Tensor): Tensor {
  return frames.permute([0, 4, 1, 2, 3]).to('float32').div(127.5).sub(1).contiguous();
}
