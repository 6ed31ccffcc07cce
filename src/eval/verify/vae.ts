import { InputError } from '../../errors.js';
import {
  Autoencoder,
  DiagonalGaussian,
  parseAutoencoderConfig,
} from '../../models/autoencoder/index.js';
import { noGrad, type Tensor, tidy } from '../../tensor/index.js';
import {
  type Fixture,
  groupRows,
  openFixture,
  readSideCar,
  type SideCar,
  type StatedTolerance,
  sideCarsOf,
} from './fixture.js';
import type { VerifyRow } from './types.js';

interface VaeSideCar extends SideCar {
  loss?: string;
  tolerance: StatedTolerance;
  enable_tiling_args?: Record<string, number>;
  tensors: Record<string, { shape: number[] }>;
}

/** The results of a case, by the names in its side-car. */
type Results = Map<string, Tensor>;

/** Runs every case of a folder; a side-car of an unknown kind is an error. */
export function* verifyVae(folder: string, device: string): Iterable<VerifyRow> {
  for (const { name, sideCar } of sideCarsOf<VaeSideCar>(folder, '_class_name')) {
    yield* tidy(() => verifyCase(folder, device, name, sideCar));
  }
}

function verifyCase(
  folder: string,
  device: string,
  name: string,
  sideCar: VaeSideCar,
): VerifyRow[] {
  const file = openFixture(folder, sideCar.file, device);
  const results = compute(folder, device, sideCar, file);
  const outputs = Object.keys(sideCar.tensors).filter((key) => !sideCar.inputs.includes(key));
  const rows = outputs.map((key) => compare(name, key, results.get(key), file.get(key), sideCar));
  return grouped(rows);
}

function compute(folder: string, device: string, sideCar: VaeSideCar, file: Fixture): Results {
  if (sideCar.kind === 'posterior') return posteriorCase(file);
  const model = loadModel(folder, device, sideCar);
  try {
    switch (sideCar.kind) {
      case 'encode':
        return noGrad(() => encodeCase(model, file));
      case 'decode':
        return noGrad(() => decodeCase(model, file));
      case 'gradient':
        return gradientCase(model, file, sideCar);
      default:
        throw new InputError(`${sideCar.file}: no such kind of autoencoder case: ${sideCar.kind}`);
    }
  } finally {
    model.dispose();
  }
}

function loadModel(folder: string, device: string, sideCar: VaeSideCar): Autoencoder {
  const configFile = sideCar.config ?? 'config.json';
  const model = new Autoencoder(
    parseAutoencoderConfig(readSideCar(folder, configFile), configFile),
  );
  const weights = sideCar.weights ?? 'weights.safetensors';
  model.loadStateDict(openFixture(folder, weights, device), { where: weights });
  const tiling = sideCar.enable_tiling_args;
  if (tiling) {
    model.enableTiling({
      tileSampleMinHeight: tiling.tile_sample_min_height,
      tileSampleMinWidth: tiling.tile_sample_min_width,
      tileOverlapFactorHeight: tiling.tile_overlap_factor_height,
      tileOverlapFactorWidth: tiling.tile_overlap_factor_width,
    });
  }
  return model.eval();
}

function encodeCase(model: Autoencoder, file: Fixture): Results {
  const results: Results = new Map();
  const posterior = model.encode(file.get('sample'), observer(file, results));
  return results.set('parameters', posterior.parameters).set('mode', posterior.mode());
}

function decodeCase(model: Autoencoder, file: Fixture): Results {
  const results: Results = new Map();
  return results.set('sample', model.decode(file.get('latents'), observer(file, results)));
}

/** Collects activations as `act.*`, if the case has any. */
function observer(file: Fixture, results: Results) {
  if (!file.keys().some((key) => key.startsWith('act.'))) return undefined;
  return (name: string, output: Tensor) => {
    results.set(`act.${name}`, output);
  };
}

function gradientCase(model: Autoencoder, file: Fixture, sideCar: VaeSideCar): Results {
  const sample = file.get('sample').clone().requiresGrad_();
  const encoded = model.encode(sample).mode();
  // a separate leaf, so that its gradient can be read; it is passed on to the encoder below
  const latents = encoded.detach().requiresGrad_();
  const decoded = model.decode(latents);
  // possibly only the last of the decoded frames are compared
  const frames = sideCar.tensors.reconstruction.shape[2];
  const reconstruction = decoded.narrow(2, decoded.size(2) - frames, frames);
  const difference = reconstruction.sub(sample);
  const loss = difference.mul(difference).mean();
  loss.backward();
  const results: Results = new Map([
    ['loss', loss.detach().reshape([1])],
    ['latents', encoded.detach()],
    ['reconstruction', reconstruction.detach()],
    ['grad.latents', latents.grad!],
  ]);
  encoded.backward(latents.grad!);
  results.set('grad.sample', sample.grad!);
  for (const [name, parameter] of model.namedParameters()) {
    if (parameter.grad) results.set(`grad.${name}`, parameter.grad);
  }
  return results;
}

function posteriorCase(file: Fixture): Results {
  const posterior = new DiagonalGaussian(file.get('parameters'));
  return new Map([
    ['mean', posterior.mean],
    ['mode', posterior.mode()],
    ['logvar', posterior.logvar],
    ['std', posterior.std],
    ['var', posterior.variance],
    ['sample', posterior.sample({ noise: file.get('noise') })],
    ['kl', posterior.kl()],
  ]);
}

/** A row for one tensor, with the measure that the side-car names. */
function compare(
  fixture: string,
  tensor: string,
  got: Tensor | undefined,
  want: Tensor,
  { tolerance: { metric, limit } }: VaeSideCar,
): VerifyRow {
  const { error, measure } = measured(got, want, metric);
  return { case: fixture, tensor, error, tolerance: limit, measure, pass: error <= limit };
}

function measured(got: Tensor | undefined, want: Tensor, metric: string) {
  const perElement = metric.includes('per element');
  const floored = metric.includes('max(1,');
  const measure = perElement ? 'relative' : floored ? 'max abs / max(1, max)' : 'max abs / max';
  if (!got || got.shape.join() !== want.shape.join()) return { error: Infinity, measure };
  const a = got.detach().toFloat32Array();
  const b = want.toFloat32Array();
  let largest = 0;
  for (const value of b) largest = Math.max(largest, Math.abs(value));
  const scale = floored ? Math.max(1, largest) : largest;
  let error = 0;
  for (let i = 0; i < b.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (Number.isNaN(difference)) return { error: Infinity, measure };
    // per element: an absolute error of 1e-6 is always allowed
    const part = perElement ? Math.max(difference - 1e-6, 0) / Math.abs(b[i]) : difference / scale;
    if (difference > 0 && (!perElement || difference > 1e-6)) error = Math.max(error, part);
  }
  return { error, measure };
}

/** Combines all gradients of parameters into one row, and all activations into another. */
function grouped(rows: VerifyRow[]): VerifyRow[] {
  const isParameter = ({ tensor }: VerifyRow) =>
    tensor.startsWith('grad.') && (tensor.endsWith('.weight') || tensor.endsWith('.bias'));
  const isActivation = ({ tensor }: VerifyRow) => tensor.startsWith('act.');
  const rest = rows.filter((row) => !isParameter(row) && !isActivation(row));
  const groups = [
    ['grad.*', rows.filter(isParameter)],
    ['act.*', rows.filter(isActivation)],
  ] as const;
  return [
    ...rest,
    ...groups.flatMap(([name, some]) => (some.length ? [groupRows(name, some)] : [])),
  ];
}
