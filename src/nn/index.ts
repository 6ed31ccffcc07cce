/** Row 2: modules, layers and initialisation. */
export { constantParameter, normalParameter, uniformParameter, withParameters } from './init.js';
export {
  Conv2d,
  Conv3d,
  type ConvOptions,
  Embedding,
  GroupNorm,
  LayerNorm,
  Linear,
  RMSNorm,
} from './layers.js';
export { type LoadOptions, Module, type StateSource } from './module.js';
