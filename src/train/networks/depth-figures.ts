/** What a depth model gets to see and should say, and how well it says it. */
import { FAR } from '../../data/miniworld/render.js';
import { depthErrors } from '../../media/depth/depth-errors.js';
import { type Frames, NEAREST, relativeDepth, type SheetRow } from '../../media/index.js';
import { type DepthAnything, DepthProcessor } from '../../models/depth-anything/index.js';
import { fromArray, noGrad, type Tensor, tidy, upload } from '../../tensor/index.js';
import type { PictureBatch } from '../feed/depth/feed.js';
import type { MadePicture } from '../feed/depth/make-picture.js';
import { addFigures, type StepOutcome } from '../loop/means.js';
import type { DepthModelPlan } from '../recipe/config.js';
import { depthProcessorOf } from '../recipe/networks.js';

/** Pictures that are measured at once. */
const AT_ONCE = 16;

/** A network with what prepares pictures for it. */
export interface DepthTrainee {
  network: DepthAnything;
  processor: DepthProcessor;
}

export const traineeOf = (network: DepthAnything, plan: DepthModelPlan): DepthTrainee => ({
  network,
  processor: new DepthProcessor(depthProcessorOf(plan)),
});

/** The network's maps of a batch, [B, H, W] float32; pictures have the size of training already. */
export const predictedDepth = (trainee: DepthTrainee, batch: PictureBatch): Tensor =>
  trainee.network.forward(pixelsOf(trainee, batch));

/** The network's input, on its device. */
export function pixelsOf({ network, processor }: DepthTrainee, batch: PictureBatch): Tensor {
  const { width, height, pictures } = batch;
  const data = new Uint8Array(pictures.length * width * height * 3);
  pictures.forEach(({ pixels }, i) => {
    data.set(pixels, i * width * height * 3);
  });
  const frames = { width, height, numFrames: pictures.length, data };
  return upload(processor.normalised(frames), network.device);
}

/** The relative depth of each picture by itself, [B, H, W] float32 in 0..NEAREST. */
export function wantedDepth(batch: PictureBatch): Tensor {
  const { width, height, pictures } = batch;
  const data = new Float32Array(pictures.length * width * height);
  pictures.forEach((picture, i) => {
    data.set(relativeOf(picture, batch), i * width * height);
  });
  return fromArray(data, [pictures.length, height, width]);
}

const relativeOf = ({ distances }: MadePicture, { width, height }: PictureBatch): Float32Array =>
  relativeDepth(distances, { width, height, numFrames: 1 }).data;

/**
 * The mean accuracy of a batch as `validation/absrel` and `validation/rank`, see `depthErrors`; the sky does not count.
 * @param suffix   added to these names
 */
export function depthFigures(
  trainee: DepthTrainee,
  batch: PictureBatch,
  suffix: string,
): StepOutcome['figures'] {
  const figures: StepOutcome['figures'] = {};
  for (const { map, picture } of estimated(trainee, batch)) {
    const truth = picture.distances.map((distance) => (distance < FAR ? 1 / distance : 0));
    const errors = depthErrors(map, truth);
    // null where all is equally far, which has no order
    if (errors?.rank == null) continue;
    addFigures(figures, {
      [`validation/absrel${suffix}`]: { sum: errors.absRel, count: 1 },
      [`validation/rank${suffix}`]: { sum: errors.rank, count: 1 },
    });
  }
  return figures;
}

/** Picture, estimated and true depth beside one another, for the first pictures of a batch. */
export function depthRows(trainee: DepthTrainee, batch: PictureBatch, count: number): SheetRow[] {
  const { width, height } = batch;
  const some = { ...batch, pictures: batch.pictures.slice(0, count) };
  return estimated(trainee, some).map(({ map, picture }) => ({
    images: [
      { width, height, numFrames: 1, data: picture.pixels },
      shades(map, batch),
      shades(relativeOf(picture, batch), batch),
    ],
  }));
}

function estimated(
  trainee: DepthTrainee,
  batch: PictureBatch,
): { map: Float32Array; picture: MadePicture }[] {
  const area = batch.width * batch.height;
  const found: { map: Float32Array; picture: MadePicture }[] = [];
  for (let from = 0; from < batch.pictures.length; from += AT_ONCE) {
    const some = { ...batch, pictures: batch.pictures.slice(from, from + AT_ONCE) };
    const maps = noGrad(() => tidy(() => predictedDepth(trainee, some).toFloat32Array()));
    some.pictures.forEach((picture, i) => {
      found.push({ picture, map: maps.subarray(i * area, (i + 1) * area) });
    });
  }
  return found;
}

/** Relative depth as gray: 0 is black, `NEAREST` and nearer white. */
function shades(map: Float32Array, { width, height }: PictureBatch): Frames {
  const data = new Uint8Array(map.length * 3);
  map.forEach((value, i) => {
    data.fill(Math.max(0, Math.min(255, (255 * value) / NEAREST)), 3 * i, 3 * i + 3);
  });
  return { width, height, numFrames: 1, data };
}
