/** Row 2: pictures and clips from and to files and tensors. Everything above imports from here. */
export { writeAtomically } from './atomic.js';
export {
  contactSheet,
  drawContactSheet,
  type SheetOptions,
  type SheetRow,
} from './contact-sheet.js';
export { pictureDataUrl } from './data-url.js';
export { type DepthMap, depthToTensor, NEAREST, readDepth, relativeDepth } from './depth.js';
export { findFfmpeg } from './ffmpeg.js';
export {
  expectFrames,
  type Frames,
  grayOf,
  type Media,
  type ReadImageOptions,
  type ReadVideoOptions,
  sliceFrames,
} from './frames.js';
export { readImage } from './image.js';
export { expectMaskFits, type Mask, readGray, readMask } from './mask.js';
export { readMedia } from './read.js';
export { RESAMPLE_FILTERS, type ResampleFilter, resample } from './resample.js';
export {
  framesToTensor,
  maskToTensor,
  type ResizeOptions,
  resize,
  resizeFrames,
  resizePillow,
  type Size,
  tensorToFrames,
} from './tensors.js';
export { readVideo } from './video.js';
export {
  IMAGE_FORMATS,
  outputKind,
  VIDEO_FORMATS,
  type WriteImageOptions,
  type WriteVideoOptions,
  writeImage,
  writeMedia,
  writeVideo,
} from './write.js';
