/** How the weights of a recipe's transformer are updated, beside what a stage says of it. */

import type { Transformer3D } from '../../models/transformer/index.js';
import { hiddenMatrices, matricesOfWidth } from '../../models/transformer/parameters.js';
import type { OptimizerPlan } from '../../optim/index.js';
import type { PipelineRecipe } from '../recipe/config.js';

/**
 * @param names   of the trained parameters
 * Source of the learning rates by width: Yang et al. 2022, muP, arXiv 2203.03466, table 3: with Adam,
 * those of matrices whose inputs grow with the width fall with it, all others stay
 */
export function optimizerPlan(
  { transformer: { learningRateWidth, optimizer } }: PipelineRecipe,
  { config, width }: Pick<Transformer3D, 'config' | 'width'>,
  names: Iterable<string>,
): Pick<OptimizerPlan, 'learningRateFactors' | 'muon'> {
  const ofTransformer = (list: readonly string[]) => list.map((one) => `transformer.${one}`);
  const { name, ...muon } = optimizer;
  const factor = (learningRateWidth ?? width) / width;
  const scaled = [
    ...ofTransformer(matricesOfWidth(config)),
    // the network that aligns a block has layers of the same width
    ...[...names].filter((one) => /^alignment\..*\.weight$/.test(one)),
  ];
  return {
    learningRateFactors: factor === 1 ? undefined : new Map(scaled.map((one) => [one, factor])),
    muon:
      name === 'muon' ? { ...muon, names: new Set(ofTransformer(hiddenMatrices(config))) } : null,
  };
}
