/** Frames as they leave the data workers, as tensors; and which samples a step takes. */
import { RandomStream } from '../data/random.js';
import { fromArray, type Tensor } from '../tensor/index.js';

/** uint8 [B, F, H, W, 3] → [B, 3, F, H, W] float32 in -1..1 */
export function videoFromBytes(data: Uint8Array, shape: number[]): Tensor {
  return videoFromTensor(fromArray(data, shape));
}

/** The same from a uint8 tensor. */
export function videoFromTensor(frames: Tensor): Tensor {
  return frames.permute([0, 4, 1, 2, 3]).to('float32').div(127.5).sub(1).contiguous();
}

/** `count` different indices below `size`, drawn for a step. */
export function drawIndices(random: RandomStream, count: number, size: number): number[] {
  const drawn = new Set<number>();
  while (drawn.size < Math.min(count, size)) drawn.add(Math.floor(random.next() * size));
  return [...drawn];
}

/** The random stream of a step. */
export const stepRandom = (seed: number, step: number, purpose: string): RandomStream =>
  new RandomStream(seed, `${purpose} ${step}`);

/** One of `items` by weight. */
export function drawWeighted<T extends { weight: number }>(
  random: RandomStream,
  items: readonly T[],
): T {
  const total = items.reduce((sum, { weight }) => sum + weight, 0);
  let left = random.next() * total;
  for (const item of items) {
    left -= item.weight;
    if (left < 0) return item;
  }
  return items[items.length - 1]!;
}
