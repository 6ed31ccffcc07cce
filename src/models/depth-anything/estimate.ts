/** Estimating the depth of frames with a published model's folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, JobError } from '../../errors.js';
import { readJson } from '../../files/read-json.js';
import { expectFrames, type Frames, type Size, sliceFrames } from '../../media/index.js';
import {
  allFinite,
  fastDtype,
  findBrokenWeight,
  GET_ANOTHER,
  loadWeights,
  withParameters,
} from '../../nn/index.js';
import { type DType, empty, noGrad, type Tensor, tidy } from '../../tensor/index.js';
import { parseDepthAnythingConfig } from './config.js';
import { DepthAnything } from './depth-anything.js';
import { DepthProcessor, depthAtSize, parseDepthProcessorConfig } from './processor.js';

/** A network with its processor; free it with `network.dispose()`. */
export interface DepthModel {
  network: DepthAnything;
  processor: DepthProcessor;
  /** where its weights are stored */
  folder: string;
}

/**
 * Opens a folder with `config.json`, `preprocessor_config.json` and `model.safetensors` or its
 * shards; weights are memory-mapped, and copied only where the dtype or device differs.
 *
 * @param dtype   the dtype that the network computes in; 'auto': see `fastDtype`
 * @param device  the device that it computes on, as named by `resolveDevice`
 * @throws InputError naming the file and what is wrong with it
 */
export function openDepthModel(
  folder: string,
  { dtype = 'auto', device = 'cpu' }: { dtype?: DType | 'auto'; device?: string } = {},
): DepthModel {
  const [config, processor] = ['config.json', 'preprocessor_config.json'].map((name) => {
    const path = join(folder, name);
    if (existsSync(path)) return { path, json: readJson(path) };
    throw new InputError(
      `${folder}: is not a depth model's folder (it has no ${name}); name a published one, with config.json, preprocessor_config.json and model.safetensors`,
    );
  });
  const parsed = parseDepthAnythingConfig(config!.json, config!.path);
  const network = withParameters({ device: 'meta' }, () => new DepthAnything(parsed));
  loadWeights(network, folder, 'model', null);
  const type = dtype === 'auto' ? fastDtype(device) : dtype;
  return {
    network: network.requiresGrad_(false).eval().moveTo(device, type),
    folder,
    processor: new DepthProcessor(parseDepthProcessorConfig(processor!.json, processor!.path)),
  };
}

/** Pixels processed at once; limits memory to a few hundred MB. */
const BATCH_PIXELS = 2 ** 18;

/** How many frames of this size the network processes at once. */
export function framesAtOnce({ processor }: DepthModel, frames: Size): number {
  const size = processor.sizeFor(frames);
  return Math.max(1, Math.floor(BATCH_PIXELS / (size.height * size.width)));
}

/**
 * The depth of every frame, estimated independently. Relative depth, which the published models
 * give, is larger for nearer points, has no unit and is not normalised; it may be slightly below 0.
 *
 * @returns [F, H, W] float32 at the frames' size, on the CPU
 * @throws InputError if frames are too narrow for the model, or its weights are non-finite
 */
export function estimateDepth(model: DepthModel, frames: Frames): Tensor {
  const { network, processor, folder } = model;
  expectFrames('estimateDepth', frames);
  const { numFrames, height, width } = frames;
  const batch = framesAtOnce(model, frames);
  const depth = empty([numFrames, height, width]);
  for (let start = 0; start < numFrames; start += batch) {
    const count = Math.min(batch, numFrames - start);
    noGrad(() =>
      tidy(() => {
        const pixelValues = processor.pixelValues(sliceFrames(frames, start, start + count));
        const predicted = network.forward(pixelValues.to(network.device));
        const resized = depthAtSize(predicted, { height, width });
        depth.narrow(0, start, count).copy_(resized);
      }),
    );
  }
  if (allFinite(depth)) return depth;
  const broken = findBrokenWeight(folder, 'model');
  if (broken) throw new InputError(`${broken}; ${GET_ANOTHER}`);
  throw new JobError(`${folder}: its depth is not finite; use \`dtype: 'float32'\``);
}
