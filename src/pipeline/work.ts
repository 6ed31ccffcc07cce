/** What is asked of a pipeline, in the units that its cost is counted in. */
import { spatialCompression } from '../models/autoencoder/index.js';
import type { Target } from '../tasks/index.js';
import { latentFrames } from './latents.js';
import type { PipelineShape } from './shape.js';

export interface Work {
  target: Target;
  /** results that are made together */
  samples: number;
  /** samples times guidance branches */
  rows: number;
  /** of a sample */
  tokens: number;
  latentFrames: number;
  textTokens: number;
  /** steps with both guidance branches, and with one */
  guidedSteps: number;
  plainSteps: number;
  /** the condition tells depth, so the guidance branches see different ones */
  depth: boolean;
}

export interface WorkRequest {
  target: Target;
  numInferenceSteps: number;
  /** of them, those with guidance; default: all, if `guidanceScale` is above 1 */
  guidedSteps?: number;
  guidanceScale: number;
  promptLength: number;
  samples?: number;
  depth?: boolean;
}

export function workOf(shape: PipelineShape, request: WorkRequest): Work {
  const { target, numInferenceSteps: steps, guidanceScale, samples = 1, depth = false } = request;
  const { guidedSteps = guidanceScale > 1 ? steps : 0, promptLength: textTokens } = request;
  const side = spatialCompression(shape.autoencoder) * shape.transformer.patch_size;
  const frames = latentFrames(target.numFrames);
  return {
    ...{ target, samples, textTokens, latentFrames: frames, depth },
    rows: samples * (guidedSteps > 0 ? 2 : 1),
    tokens: frames * Math.floor(target.height / side) * Math.floor(target.width / side),
    ...{ guidedSteps, plainSteps: steps - guidedSteps },
  };
}
