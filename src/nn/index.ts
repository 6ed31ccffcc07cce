/** Row 2: modules, layers, initialisation and stored weights. */
export { ACTIVATIONS, type Activation } from './activations.js';
export { inTurn, lean } from './in-turn.js';
export { constantParameter, normalParameter, uniformParameter, withParameters } from './init.js';
export {
  Conv2d,
  Conv3d,
  type ConvOptions,
  ConvTranspose2d,
  type ConvTransposeOptions,
  Embedding,
  GroupNorm,
  LayerNorm,
  Linear,
  RMSNorm,
} from './layers.js';
export { type LoadOptions, Module, type StateSource } from './module.js';
export { fastDtype, loadWeights } from './weights.js';
