import { InputError } from '../../errors.js';
import { parseT5Config, relativePositionBucket, T5Encoder } from '../../models/t5/index.js';
import { noGrad, type Tensor, tidy } from '../../tensor/index.js';
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

interface T5SideCar extends SideCar {
  config: string;
  weights: string;
  tolerance: StatedTolerance;
}

/** Runs every case of a folder; a side-car of an unknown kind is an error. */
export function* verifyT5(folder: string, device: string): Iterable<VerifyRow> {
  for (const { name, sideCar } of sideCarsOf<T5SideCar>(folder, 'd_model')) {
    yield* tidy(() => noGrad(() => verifyCase(folder, device, name, sideCar)));
  }
}

function verifyCase(folder: string, device: string, name: string, sideCar: T5SideCar): VerifyRow[] {
  const file = openFixture(folder, sideCar.file, device);
  const results = compute(folder, device, sideCar, file);
  const outputs = Object.keys(sideCar.tensors).filter((key) => !sideCar.inputs.includes(key));
  return outputs.map((key) => {
    const want = file.get(key);
    return row(name, key, results.get(key) ?? [], want, limitFor(want, sideCar.tolerance));
  });
}

function compute(
  folder: string,
  device: string,
  sideCar: T5SideCar,
  file: Fixture,
): Map<string, Tensor> {
  const config = parseT5Config(readSideCar(folder, sideCar.config), sideCar.config);
  if (sideCar.kind === 't5_buckets') {
    const bucket = relativePositionBucket(file.get('relative_position'), {
      numBuckets: config.relative_attention_num_buckets,
      maxDistance: config.relative_attention_max_distance,
    });
    return new Map([['bucket', bucket]]);
  }
  if (sideCar.kind !== 't5_encoder') {
    throw new InputError(`${sideCar.file}: no such kind of text encoder case: ${sideCar.kind}`);
  }
  const model = new T5Encoder(config);
  model.loadStateDict(openFixture(folder, sideCar.weights, device), { where: sideCar.weights });
  const results = new Map<string, Tensor>();
  const mask = file.has('attention_mask') ? file.get('attention_mask') : null;
  const hidden = model.forward(file.get('input_ids'), mask, (key, value) =>
    results.set(key, value),
  );
  model.dispose();
  return results.set('last_hidden_state', hidden);
}
