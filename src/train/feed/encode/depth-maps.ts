/**
 * The depth of samples as a model estimates it: once, ahead of training, a sample at a time, and
 * cached on the disk.
 *
 * A whole clip is estimated, and what a task hides is cut out of the map afterwards; in use a model
 * sees only the part that is known. The map of a smaller version (super-resolution) or of one in gray
 * (colourisation) is likewise that of the clip itself, at the smaller size.
 */
import { keyOf } from '../../../data/store.js';
import type { Frames } from '../../../media/index.js';
import {
  type DepthModel,
  estimateDepth,
  openDepthModel,
} from '../../../models/depth-anything/index.js';
import type { Target } from '../../../tasks/index.js';
import { type DType, noGrad, tidy } from '../../../tensor/index.js';
import { bucketName } from '../buckets.js';
import { PREPROCESSING } from '../make-sample.js';
import type { SourceItem } from '../sources.js';
import { hashOfWeights } from './latents.js';

/** A depth model as the feed uses it. */
export interface DepthMaps {
  /** identifies the model: maps of another one are not used */
  hash: string;
  /** [F, H, W] float32, as bytes; larger is nearer, not scaled. @throws InputError, see `estimateDepth` */
  estimate(frames: Frames): Uint8Array<ArrayBuffer>;
  /** frees the model's memory; `estimate` opens it again */
  release(): void;
}

/** @throws InputError if the folder holds no depth model */
export function depthMaps(folder: string, dtype: DType, device = 'cpu'): DepthMaps {
  const open = () => openDepthModel(folder, { dtype, device });
  let model: DepthModel | null = open();
  const { network, processor } = model;
  return {
    hash: keyOf('depth model', hashOfWeights(network), network.config, processor.config),
    estimate: (frames) => {
      model ??= open();
      const used = model;
      return noGrad(() =>
        tidy(() => {
          const { buffer, byteOffset, byteLength } = estimateDepth(used, frames).data();
          return new Uint8Array(buffer, byteOffset, byteLength).slice();
        }),
      );
    },
    release() {
      model?.network.dispose();
      model = null;
    },
  };
}

/** The key of the map of an item's clip, or of the clip before its edit, at a size and length. */
export const depthKey = (
  { content }: SourceItem,
  target: Target,
  frames: 'clip' | 'source',
  { hash }: Pick<DepthMaps, 'hash'>,
): string => keyOf('depth', PREPROCESSING, content, bucketName(target), frames, hash);
