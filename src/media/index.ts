/**
 * Row 2: pictures and clips, from and to files and tensors. Higher rows import from here, except code
 * that runs without LibTorch (worker threads), which imports single files.
 */
export { writeAtomically } from '../files/atomic.js';
export { writeFailure } from '../files/write-failure.js';
export { type ClipReader, type OpenClipOptions, openClip } from './codecs/clip-reader.js';
export { type ClipOptions, type ClipWriter, createClipWriter } from './codecs/clip-writer.js';
export { pictureDataUrl } from './codecs/data-url.js';
export { readImage } from './codecs/image.js';
export { readMedia } from './codecs/read.js';
export { type MediaKind, sniff } from './codecs/sniff.js';
export type { AudioSource } from './codecs/sound.js';
export { OVER_WHITE } from './codecs/still.js';
export { countFrames, expectRate, readOpacity, readVideo } from './codecs/video.js';
export {
  IMAGE_FORMATS,
  outputKind,
  VIDEO_FORMATS,
  type WriteImageOptions,
  type WriteVideoOptions,
  writeImage,
  writeMedia,
  writeVideo,
} from './codecs/write.js';
export { cropDepth, expandDepth, NEAREST, readDepth, relativeDepth } from './depth/depth.js';
export type { DepthMap } from './depth/depth-map.js';
export { depthToTensor } from './depth/depth-to-tensor.js';
export { DEPTH_MEANINGS, type DepthMeaning, doubtedMeaning } from './depth/meaning.js';
export { findFfmpeg, oldFfmpegAdvice } from './ffmpeg/ffmpeg.js';
export {
  cutOut,
  expectFrames,
  type Frames,
  grayOf,
  hasSameShape,
  type Media,
  type MediaSource,
  type ReadImageOptions,
  type ReadVideoOptions,
  type Size,
  sliceFrames,
  sourceName,
} from './frames.js';
export { expandFrames, type Margins, parseExpand } from './mask/expand.js';
export { expectMaskFits, type Mask, maskToTensor, readGray, readMask } from './mask/mask.js';
export {
  type Box,
  type Colour,
  DEFAULT_TOLERANCE,
  invertMask,
  type Length,
  type MaskOptions,
  type MaskSource,
  maskOf,
  parseBox,
  parseColour,
} from './mask/mask-sources.js';
export { type BlendOptions, blendKnown, crossFade } from './pixels/blend.js';
export { chromaTransfer, matchColours, matchLuminance } from './pixels/colours.js';
export { FIT_WAYS, type Fitted, type FitWay, fitFrames } from './pixels/fit.js';
export { RESAMPLE_FILTERS, type ResampleFilter, resample } from './pixels/resample.js';
export {
  framesToTensor,
  type ResizeOptions,
  resize,
  resizeFrames,
  resizePillow,
  tensorToFrames,
} from './pixels/tensors.js';
export {
  contactSheet,
  drawContactSheet,
  type SheetOptions,
  type SheetRow,
} from './sheet/contact-sheet.js';
