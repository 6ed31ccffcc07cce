/** Row 2: modules, layers, initialisation and stored weights. */
export { ACTIVATIONS, type Activation } from './activations.js';
export { allFinite, findNotNumbers, notNumbers } from './finite.js';
export { type Trainable, trainableNames } from './freeze.js';
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
export {
  addLora,
  applyLora,
  changedWeight,
  LoraLayers,
  type LoraWeights,
  type LowRankChange,
  mergeLora,
  type ScaledLora,
} from './lora.js';
export { LoraConfig } from './lora-config.js';
export {
  disposeLora,
  LORA_LAYOUTS,
  type LoraFile,
  type LoraLayout,
  locateLora,
  loraPath,
  readLora,
  saveLora,
} from './lora-file.js';
export { type LoadOptions, Module, type StateSource } from './module.js';
export {
  expectSoundWeights,
  fastDtype,
  findBrokenWeight,
  GET_ANOTHER,
  loadWeights,
} from './weights.js';
