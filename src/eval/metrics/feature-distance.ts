/** How different clips look to a network, frame by frame, and what it sees in whole clips. */
import { expectFrames, type Frames, framesToTensor, sliceFrames } from '../../media/index.js';
import type { EfficientNetFeatures } from '../../models/efficientnet/index.js';
import { type Tensor, tidy } from '../../tensor/index.js';
import { expectAlike } from './expect.js';

/** Pixels processed at once; limits memory to a few hundred MB. */
const BATCH_PIXELS = 2 ** 20;
/** Source: lpips, normalize_tensor */
const EPS = 1e-10;

/** What the network finds in a clip. */
export interface Look {
  /** from the reference: 0 if identical, about 1.7 for a picture of something else */
  distance: number;
  /** [1280]: features of whole pictures, mean over frames */
  pooled: Float32Array;
}

/**
 * The distance of two clips in a network's features, mean over frames: LPIPS's formula, the squared
 * difference of the features at each place, scaled to length 1, averaged over places and over the five
 * stages, all channels and stages alike. LPIPS's learnt weights of channels belong to other networks, so
 * these figures can be compared with each other, but not with published ones.
 *
 * Source: Zhang et al. 2018, arXiv 1801.03924, eq. 1 with all weights 1, divided by the number of stages
 */
export function featureDistance(
  network: EfficientNetFeatures,
  clip: Frames,
  reference: Frames,
): number {
  return looksOf(network, new Map([['clip', clip]]), reference).get('clip')!.distance;
}

/** What the network finds in clips, beside one reference of their size and length. */
export function looksOf(
  network: EfficientNetFeatures,
  clips: ReadonlyMap<string, Frames>,
  reference: Frames,
): Map<string, Look> {
  expectFrames('looksOf', reference);
  for (const clip of clips.values()) expectAlike('looksOf', clip, reference);
  const { width, height, numFrames } = reference;
  const batch = Math.max(1, Math.floor(BATCH_PIXELS / (width * height)));
  const sums = new Map<string, { distance: number; pooled: Float64Array | null }>();
  for (let start = 0; start < numFrames; start += batch) {
    const end = Math.min(numFrames, start + batch);
    tidy(() => {
      const partOf = (clip: Frames) => unitFeatures(network, sliceFrames(clip, start, end));
      const expected = partOf(reference);
      for (const [name, clip] of clips) {
        const { stages, pooled } = clip === reference ? expected : tidy(() => partOf(clip));
        const sum = sums.get(name) ?? { distance: 0, pooled: null };
        sum.distance += (end - start) * distanceOf(stages, expected.stages);
        const values = pooled.sum([0]).toFloat32Array();
        sum.pooled ??= new Float64Array(values.length);
        for (const [i, value] of values.entries()) sum.pooled[i]! += value;
        sums.set(name, sum);
      }
    });
  }
  return new Map(
    [...sums].map(([name, { distance, pooled }]) => [
      name,
      {
        distance: distance / numFrames,
        pooled: Float32Array.from(pooled!, (value) => value / numFrames),
      },
    ]),
  );
}

/** Features of each frame; those of the stages have length 1 at every place. */
function unitFeatures(network: EfficientNetFeatures, clip: Frames) {
  return tidy(() => {
    const pictures = framesToTensor(clip).squeeze(0).transpose(0, 1).contiguous(); // [F, 3, H, W]
    const { stages, pooled } = network.forward(pictures);
    const unit = (stage: Tensor) => stage.div(stage.square().sum([1], true).sqrt().add(EPS));
    return { stages: stages.map(unit), pooled };
  });
}

/** Mean over frames, places and stages of the squared distance between two features. */
function distanceOf(stages: readonly Tensor[], expected: readonly Tensor[]): number {
  return tidy(() => {
    const each = stages.map((stage, i) => stage.sub(expected[i]!).square().sum([1]).mean().item());
    return each.reduce((a, b) => a + b, 0) / each.length;
  });
}
