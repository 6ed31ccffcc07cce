/** Row 1: tensors over LibTorch. Everything above imports from here. */
export {
  checkpoint,
  custom,
  enableGrad,
  grad,
  isGradEnabled,
  noGrad,
  onGradient,
} from './autograd.js';
export { upload, uploadAll } from './cast.js';
export { CollectiveGroup, type Pending, pulse, type ReduceOp, Store } from './collectives.js';
export { fromArray, tensor } from './create.js';
export {
  type Availability,
  availability,
  cudaDevice,
  isOutOfMemory,
  memoryFor,
  memoryOf,
  type ResolvedDevice,
  resolveDevice,
  waitFor,
} from './device.js';
export { call, hasOperator, type MemoryFormat, type Scalar } from './dispatch.js';
export { bytesPerElement, type DType, isDType, type TypedArray } from './dtype.js';
export { arange, full } from './factories.js';
export { defaultGenerator, Generator, manualSeed } from './generator.js';
export { engineInfo, setThreads } from './native.js';
export * as ops from './ops.js';
export {
  cat,
  empty,
  eye,
  linspace,
  ones,
  rand,
  randint,
  randn,
  randperm,
  stack,
  where,
  zeros,
} from './ops.js';
export { OTHER_ENDINGS, otherKind } from './other-kinds.js';
export {
  expectMappedWhole,
  openSafetensors,
  SafetensorsFile,
  type Storable,
  saveSafetensors,
} from './safetensors.js';
export {
  emptyCache,
  leakReport,
  memoryInfo,
  resetPeakMemory,
  tidy,
  withCacheLimit,
} from './scope.js';
export { Tensor } from './tensor.js';
export { isTorchFile, readTorchFile } from './torch-file.js';
