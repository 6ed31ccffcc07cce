/** The work of a result, in the units used to estimate its cost. */
import type { WorkRequest } from '../cost/work.js';
import type { Pipeline } from '../pipeline.js';
import type { GenerateRequest, Result } from './generate.js';
import { ownSigmas } from './make-window.js';
import { givesKnownDepth } from './request.js';

/** The work of one window of a result. */
export function workOfResult(
  pipeline: Pipeline,
  request: GenerateRequest,
  { given, target, tiles }: Pick<Result, 'given' | 'target' | 'tiles'>,
): WorkRequest {
  const settings = pipeline.settingsFor(request.task);
  const sigmas = ownSigmas(request, settings);
  const numInferenceSteps =
    sigmas?.length ?? request.numInferenceSteps ?? settings.numInferenceSteps;
  const guidanceScale = request.guidanceScale ?? settings.guidanceScale;
  const { guidanceRange, estimateDepth, noiseAugStrength = 0 } = request;
  const hasDepth =
    given.geometry.length > 0 ||
    (given.known.length > 0 &&
      (givesKnownDepth(request.task, request) ||
        (estimateDepth != null && pipeline.depthRules(request.task).known)));
  return {
    target,
    tiles,
    numInferenceSteps,
    guidanceScale,
    promptLength: settings.promptLength,
    guidedSteps: pipeline.guidedSteps({ numInferenceSteps, guidanceScale, guidanceRange, sigmas }),
    depth: hasDepth || noiseAugStrength > 0,
  };
}
