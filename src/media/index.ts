/** Row 2: pictures and clips from and to files and tensors. Everything above imports from here. */
export { writeAtomically, writeFailure } from './atomic.js';
export { type BlendOptions, blendKnown, crossFade } from './blend.js';
export { type ClipReader, type OpenClipOptions, openClip } from './clip-reader.js';
export { type ClipOptions, type ClipWriter, createClipWriter } from './clip-writer.js';
export { matchColours, matchLuminance, transferChroma } from './colours.js';
export {
  contactSheet,
  drawContactSheet,
  type SheetOptions,
  type SheetRow,
} from './contact-sheet.js';
export { pictureDataUrl } from './data-url.js';
export {
  cropDepth,
  type DepthMap,
  depthToTensor,
  NEAREST,
  readDepth,
  relativeDepth,
} from './depth.js';
export { expandFrames, type Margins, parseExpand } from './expand.js';
export { findFfmpeg, oldFfmpegAdvice } from './ffmpeg.js';
export { FIT_WAYS, type Fitted, type FitWay, fitFrames } from './fit.js';
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
export {
  type Box,
  type Colour,
  invertMask,
  type Length,
  type MaskOptions,
  type MaskSource,
  maskOf,
  parseBox,
  parseColour,
} from './mask-sources.js';
export { readMedia } from './read.js';
export { RESAMPLE_FILTERS, type ResampleFilter, resample } from './resample.js';
export { type MediaKind, sniff } from './sniff.js';
export type { AudioSource } from './sound.js';
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
export { expectRate, readOpacity, readVideo } from './video.js';
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
