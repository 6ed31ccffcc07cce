/** Fresh parameters for training the autoencoder from scratch. */
import { noGrad } from '../../tensor/index.js';
import type { Autoencoder } from './autoencoder.js';

/**
 * Sets every parameter: convolutions preserve the variance of their input, each residual branch
 * starts at a tenth of it, so that the depth does not matter at first, and the decoder's norms
 * start almost unconditioned (scale 1, shift 0).
 */
export function initialiseAutoencoder(model: Autoencoder): Autoencoder {
  noGrad(() => {
    for (const [name, parameter] of model.namedParameters()) {
      if (name.endsWith('.bias')) {
        // conv_y produces a norm's scale, which starts at 1
        parameter.fill_(name.endsWith('conv_y.conv.bias') ? 1 : 0);
      } else if (parameter.ndim === 1) {
        parameter.fill_(1);
      } else {
        const fanIn = parameter.numel / parameter.size(0);
        parameter.normal_(0, gain(name) / Math.sqrt(fanIn));
      }
    }
  });
  return model;
}

function gain(name: string): number {
  // SiLU suppresses half of its input; √2 makes up for it
  if (name.endsWith('conv1.conv.weight')) return Math.SQRT2;
  if (name.endsWith('conv2.conv.weight')) return 0.3;
  if (/conv_[yb]\.conv\.weight$/.test(name)) return 0.1;
  return 1;
}
