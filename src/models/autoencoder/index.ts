export { Autoencoder, decodeSteps, defaultTiling } from './autoencoder.js';
export {
  AutoencoderConfig,
  parseAutoencoderConfig,
  spatialCompression,
  temporalLevels,
} from './config.js';
export type { Observer } from './encoder.js';
export { initialiseAutoencoder } from './initialise.js';
export { type AutoencoderLossOptions, autoencoderLoss } from './loss.js';
export { DiagonalGaussian } from './posterior.js';
export type { TilingOptions } from './tiling.js';
