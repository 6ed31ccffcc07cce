/** Fresh parameters for training a depth network from scratch. */
import { noGrad } from '../../tensor/index.js';
import type { DepthAnything } from './depth-anything.js';

/** Standard deviation of the class token and the positions. Source: DINOv2, arXiv 2304.07193 */
const TOKEN_STD = 0.02;
/** Standard deviation of a normal distribution that is cut off at two deviations. */
const CUT_STD = 0.88;
/** What the head says at first, within the range of relative depth: below 0 it would learn nothing. */
const FIRST_DEPTH = 3;

/**
 * Sets every parameter: the transformer's weights and the patch embedding to truncated normals that
 * preserve the variance, the convolutions of neck and head to He's normals with the second one of each
 * residual unit at a third of that, and the layer scales to the configuration's value.
 *
 * Source: He et al. 2015, arXiv 1502.01852
 */
export function initialiseDepthAnything(model: DepthAnything): DepthAnything {
  const { layerscale_value } = model.config.backbone_config;
  noGrad(() => {
    for (const [name, parameter] of model.namedParameters()) {
      const fanIn = parameter.numel / parameter.size(0);
      if (name === 'head.conv3.bias') parameter.fill_(FIRST_DEPTH);
      else if (name.endsWith('.bias') || name.endsWith('mask_token')) parameter.zero_();
      else if (name.endsWith('.lambda1')) parameter.fill_(layerscale_value);
      else if (/(cls_token|position_embeddings)$/.test(name)) parameter.normal_(0, TOKEN_STD);
      else if (parameter.ndim === 1) parameter.fill_(1);
      else if (name.startsWith('backbone.')) {
        const std = 1 / Math.sqrt(fanIn);
        const cut = (2 * std) / CUT_STD;
        parameter.normal_(0, std / CUT_STD).clamp_(-cut, cut);
      } else parameter.normal_(0, gain(name) / Math.sqrt(fanIn));
    }
  });
  return model;
}

function gain(name: string): number {
  if (name.endsWith('convolution2.weight')) return Math.SQRT2 / 3;
  // not before a ReLU
  const isLinear = /projection\.weight$|resize\.weight$|conv3\.weight$/.test(name);
  return isLinear ? 1 : Math.SQRT2;
}
