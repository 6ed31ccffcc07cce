/** The work of a result, in the units used to estimate its cost. */
import { tokensOf } from '../../models/latent-grid.js';
import type { WorkRequest } from '../cost/work.js';
import type { Pipeline } from '../pipeline.js';
import type { GenerateRequest, Result } from './generate.js';
import { ownSigmas, promptAsRead } from './make-window.js';
import { givesKnownDepth } from './request.js';

/**
 * The tokens of one window of a result.
 *
 * ```ts
 * const { tokens } = await mfm.plan('t2i', { prompt: 'a red cube' });
 * ```
 */
export interface ResultTokens {
  /** of the prompt, as far as the text encoder reads it, with its task's tag and the end token */
  prompt: number;
  /** latent patches of what is given, which lie on the result's; 0 if nothing is */
  given: number;
  /** latent patches of the result */
  result: number;
}

export function tokensOfResult(
  pipeline: Pipeline,
  request: GenerateRequest,
  { given, target }: Pick<Result, 'given' | 'target'>,
): ResultTokens {
  const result = tokensOf(target);
  const isGiven = given.known.length > 0 || given.geometry.length > 0;
  const prompt = pipeline.tokensRead(promptAsRead(pipeline, request));
  return { prompt, given: isGiven ? result : 0, result };
}

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
