/** Frames as they leave the data workers, as tensors; and which samples a step takes. */
import type { RandomStream } from '../../data/random.js';
import { fromArray, Generator, type Tensor } from '../../tensor/index.js';

/** uint8 [B, F, H, W, 3] → [B, 3, F, H, W] float32 in -1..1 */
export function videoFromBytes(data: Uint8Array, shape: number[]): Tensor {
  return videoFromTensor(fromArray(data, shape));
}

/** The same from a uint8 tensor. */
export function videoFromTensor(frames: Tensor): Tensor {
  return frames.permute([0, 4, 1, 2, 3]).to('float32').div(127.5).sub(1).contiguous();
}

/**
 * The noise of a sample, by its place in the whole batch of a step: the same wherever and beside
 * whatever it is computed.
 */
export function sampleGenerator(seed: number, step: number, index: number): Generator {
  const mixed = (BigInt(seed) * 1_000_003n + BigInt(step)) * 1_048_583n + BigInt(index);
  return new Generator(BigInt.asUintN(63, mixed * 0x9e3779b97f4a7c15n));
}

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

/** All of `items`, each drawn by weight from those that are left. */
export function* drawAll<T extends { weight: number }>(
  random: RandomStream,
  items: readonly T[],
): Iterable<T> {
  const left = [...items];
  while (left.length > 0) {
    const item = drawWeighted(random, left);
    yield item;
    left.splice(left.indexOf(item), 1);
  }
}

/**
 * 0 to `count` - 1 in an order that takes no memory: steps of a length that shares no divisor with
 * the count come to each place once.
 */
export function* scattered(random: RandomStream, count: number): Iterable<number> {
  let place = Math.floor(random.next() * count);
  let stride = 1 + Math.floor(random.next() * count);
  while (divisor(stride, count) > 1) stride++;
  for (let i = 0; i < count; i++) {
    yield place;
    place = (place + stride) % count;
  }
}

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
