import { InputError } from '../../errors.js';
import type { Frames } from '../../media/index.js';
import {
  DEPTH_ANYTHING_PROCESSOR,
  DepthAnything,
  DepthProcessor,
  depthAtSize,
  parseDepthAnythingConfig,
  parseDepthProcessorConfig,
} from '../../models/depth-anything/index.js';
import { noGrad, type Tensor, tensor, tidy } from '../../tensor/index.js';
import {
  type Fixture,
  limitFor,
  openFixture,
  readSideCar,
  row,
  type SideCar,
  type StatedTolerance,
  sideCarsOf,
} from './fixture.js';
import type { VerifyRow } from './types.js';

interface DepthSideCar extends SideCar {
  preprocessor?: unknown;
  /** one for all tensors, or one per tensor */
  tolerance: StatedTolerance | Record<string, StatedTolerance>;
}

type Results = Map<string, Tensor>;

/** Runs every case of a folder; a side-car of an unknown kind is an error. */
export function* verifyDepth(folder: string, device: string): Iterable<VerifyRow> {
  for (const { name, sideCar } of sideCarsOf<DepthSideCar>(folder, 'model_type')) {
    yield* tidy(() => noGrad(() => verifyCase(folder, device, name, sideCar)));
  }
}

function verifyCase(
  folder: string,
  device: string,
  name: string,
  sideCar: DepthSideCar,
): VerifyRow[] {
  const { inputs, tolerance } = sideCar;
  const file = openFixture(folder, sideCar.file, device);
  const outputs = Object.keys(sideCar.tensors).filter(
    // position embeddings as resized by an older variant are stored for reference only
    (key) => !key.startsWith('legacy.') && (!inputs.includes(key) || key === 'table'),
  );
  const results = compute(folder, device, sideCar, file, outputs);
  return outputs.map((key) => {
    const want = file.get(key);
    const stated = isStated(tolerance) ? tolerance : tolerance[key];
    if (!stated) throw new InputError(`${name}: must state a tolerance for ${key}, got none`);
    return row(name, key, results.get(key) ?? [], want, limitFor(want, stated));
  });
}

function isStated(tolerance: DepthSideCar['tolerance']): tolerance is StatedTolerance {
  return typeof tolerance.limit === 'number';
}

function compute(
  folder: string,
  device: string,
  sideCar: DepthSideCar,
  file: Fixture,
  outputs: string[],
): Results {
  switch (sideCar.kind) {
    case 'depth_forward':
      return withModel(folder, device, sideCar, (model) => {
        const results: Results = new Map();
        const depth = model.forward(file.get('pixel_values'), (key, value) =>
          results.set(key, value),
        );
        return results.set('predicted_depth', depth);
      });
    case 'dinov2_position_embeddings':
      return withModel(folder, device, sideCar, ({ backbone, config: { patch_size: patch } }) => {
        const positions = (key: string) => {
          const { height, width } = sizeIn(key);
          return backbone.embeddings.positionsFor(height * patch, width * patch);
        };
        return new Map(outputs.map((key) => [key, positions(key)]));
      });
    case 'depth_preprocess': {
      const processor = new DepthProcessor(parseDepthProcessorConfig(sideCar.preprocessor));
      const resized = processor.resized(framesOf(file.get('image')));
      const { height, width, data } = resized;
      return new Map([
        ['resized', tensor(data).reshape([height, width, 3]).to('float32')],
        ['pixel_values', processor.normalised(framesOf(file.get('resized')))],
      ]);
    }
    case 'depth_preprocess_sizes':
      return new Map([['table', sizesTable(file.get('table'))]]);
    case 'depth_postprocess': {
      const predicted = file.get('predicted_depth');
      const resized = (key: string) => depthAtSize(predicted, sizeIn(key)).squeeze(0);
      return new Map(outputs.map((key) => [key, resized(key)]));
    }
    default:
      throw new InputError(`${sideCar.file}: no such kind of depth case: ${sideCar.kind}`);
  }
}

function withModel(
  folder: string,
  device: string,
  { config = 'config.json', weights = 'weights.safetensors' }: DepthSideCar,
  run: (model: DepthAnything) => Results,
): Results {
  const model = new DepthAnything(parseDepthAnythingConfig(readSideCar(folder, config), config));
  try {
    model.loadStateDict(openFixture(folder, weights, device), { where: weights });
    // copies, since a result that is a parameter itself must outlive the model
    return new Map([...run(model)].map(([key, value]) => [key, value.clone()]));
  } finally {
    model.dispose();
  }
}

/** "resized.45x61" → height 45, width 61 */
function sizeIn(key: string): { height: number; width: number } {
  const match = /(\d+)x(\d+)$/.exec(key);
  if (!match) throw new InputError(`${key}: must end in a size such as 45x61`);
  return { height: Number(match[1]), width: Number(match[2]) };
}

/** [H, W, 3] with whole values 0..255 → one frame */
function framesOf(image: Tensor): Frames {
  const [height, width] = image.dims(3);
  return { height, width, numFrames: 1, data: Uint8Array.from(image.toFloat32Array()) };
}

/**
 * Rows of input height and width, size.height, size.width and
 * two result columns, which are recomputed.
 */
function sizesTable(table: Tensor): Tensor {
  const [rows, columns] = table.dims(2);
  const given = Array.from(table.toArray(), Number);
  const made = Array.from({ length: rows }, (_, i) => {
    const [height, width, h, w] = given.slice(i * columns, (i + 1) * columns) as number[];
    const config = { ...DEPTH_ANYTHING_PROCESSOR, size: { height: h!, width: w! } };
    const size = new DepthProcessor(config).sizeFor({ height: height!, width: width! });
    return [height!, width!, h!, w!, size.height, size.width];
  });
  return tensor(made, { dtype: 'int64' });
}
