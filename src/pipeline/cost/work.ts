/** The work that a request takes, in the units used to estimate its cost. */

import type { Size } from '../../media/index.js';
import { spatialCompression } from '../../models/autoencoder/index.js';
import { latentFrames } from '../../models/latent-grid.js';
import type { Target } from '../../tasks/index.js';
import type { PipelineShape } from '../shape.js';

/** The tiles that one sample is denoised in. */
export interface TileWork extends Size {
  /** tiles per batch */
  samples: number;
  /** tiles per step, averaged over all grids */
  perStep: number;
  /** tiles of all grids: the condition of each stays in memory */
  kept: number;
}

export interface Work {
  target: Target;
  /** samples, or tiles of one sample, per batch */
  samples: number;
  tiles: TileWork | null;
  /** batches per step, on average */
  batches: number;
  /** samples times guidance branches */
  rows: number;
  /** tokens of a sample or tile */
  tokens: number;
  latentFrames: number;
  textTokens: number;
  /** steps with both guidance branches, and with one */
  guidedSteps: number;
  plainSteps: number;
  /** the condition has depth, so the guidance branches need different conditions */
  depth: boolean;
}

export interface WorkRequest {
  target: Target;
  numInferenceSteps: number;
  /** number of these steps with guidance; default: all, if `guidanceScale` is above 1 */
  guidedSteps?: number;
  guidanceScale: number;
  promptLength: number;
  tiles?: TileWork | null;
  depth?: boolean;
}

export function workOf(shape: PipelineShape, request: WorkRequest): Work {
  const { target, numInferenceSteps: steps, guidanceScale, tiles = null, depth = false } = request;
  const samples = tiles?.samples ?? 1;
  const { width, height } = tiles ?? target;
  const { guidedSteps = guidanceScale > 1 ? steps : 0, promptLength: textTokens } = request;
  const side = spatialCompression(shape.autoencoder) * shape.transformer.patch_size;
  const frames = latentFrames(target.numFrames);
  return {
    target,
    samples,
    tiles,
    textTokens,
    latentFrames: frames,
    depth,
    batches: tiles ? tiles.perStep / samples : 1,
    rows: samples * (guidedSteps > 0 ? 2 : 1),
    tokens: frames * Math.floor(height / side) * Math.floor(width / side),
    guidedSteps,
    plainSteps: steps - guidedSteps,
  };
}
