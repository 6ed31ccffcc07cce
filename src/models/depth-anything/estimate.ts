/** Depth of frames: a folder as published models have it, opened and used. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, JobError } from '../../errors.js';
import { readJson } from '../../files/read-json.js';
import { expectFrames, type Frames, sliceFrames } from '../../media/index.js';
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
 * shards; weights are mapped and converted only where the dtype differs.
 *
 * @param dtype   what the network computes in; 'auto': see `fastDtype`
 * @param device  where it computes, as `resolveDevice` names it
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
      `${folder}: is not a folder of a depth model (no ${name}); give one as published, with config.json, preprocessor_config.json and model.safetensors`,
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

/** Pixels that go through the network at once: memory stays at some hundred MB. */
const BATCH_PIXELS = 2 ** 18;

/**
 * Depth of every frame, each for itself. Relative depth (the published models') is larger where
 * it is nearer, has no unit and is not normalised; it may fall a little below 0.
 *
 * @returns [F, H, W] float32 at the frames' size, on the CPU
 * @throws InputError if frames are too narrow for the model, or weights of it are no numbers
 */
export function estimateDepth({ network, processor, folder }: DepthModel, frames: Frames): Tensor {
  expectFrames('estimateDepth', frames);
  const { numFrames, height, width } = frames;
  const size = processor.sizeFor(frames);
  const batch = Math.max(1, Math.floor(BATCH_PIXELS / (size.height * size.width)));
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
  throw new JobError(`${folder}: its depth left the range of numbers; take \`dtype: 'float32'\``);
}
