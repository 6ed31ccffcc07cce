/**
 * Writes a pipeline folder of a released size with random weights, in the layout, sizes and dtype
 * of the published ones, for trying things at that size without a download. Its results are noise.
 *
 *     node --import tsx bench/random-pipeline.ts mfm-2b runs/random-2b
 *     ./mfm info runs/random-2b
 *
 * Disk space: 7 GB for mfm-2b, 20 GB for mfm-8b. Memory holds one shard at a time.
 */
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineArgs, parseArgs } from '../src/cli/terminal/args.js';
import { SchedulerConfig } from '../src/diffusion/index.js';
import { InputError } from '../src/errors.js';
import { fromRoot } from '../src/files/package-root.js';
import { Autoencoder } from '../src/models/autoencoder/index.js';
import { T5Encoder } from '../src/models/t5/index.js';
import { Transformer3D } from '../src/models/transformer/index.js';
import { type Module, withParameters } from '../src/nn/index.js';
import { MODEL_INDEX } from '../src/pipeline/index.js';
import { PIPELINE_PRESETS, presetShape } from '../src/pipeline/shape.js';
import { saveSafetensors, type Tensor, tidy } from '../src/tensor/index.js';
import { randomParameter } from './random-weights.js';

const args = defineArgs({
  positional: {
    preset: { kind: 'text', choices: PIPELINE_PRESETS, describe: 'size of the transformer' },
    folder: { kind: 'text', describe: 'where to write; must not exist' },
  },
  options: {
    shard: { kind: 'number', min: 0.001, default: 5, describe: 'maximum size of a shard, GB' },
  },
});
const { preset, folder, shard } = parseArgs('random-pipeline', args, process.argv.slice(2));
if (existsSync(folder)) throw new InputError(`${folder}: already exists`);

const shape = presetShape(preset);
const { transformer, autoencoder, textEncoder } = withParameters({ device: 'meta' }, () => ({
  transformer: new Transformer3D(shape.transformer),
  autoencoder: new Autoencoder(shape.autoencoder),
  textEncoder: new T5Encoder(shape.textEncoder),
}));
json('model_index.json', MODEL_INDEX);
json('scheduler/scheduler_config.json', SchedulerConfig.parse({ shift: 7 }));
json('transformer/config.json', transformer.config);
json('vae/config.json', autoencoder.config);
json('text_encoder/config.json', textEncoder.config);
// a small vocabulary, all of whose ids are valid for the text encoder
const tokenizer = fromRoot('models/mfm-mini/tokenizer');
cpSync(tokenizer, join(folder, 'tokenizer'), { recursive: true });
weights('vae/diffusion_pytorch_model', autoencoder);
weights('text_encoder/model', textEncoder);
weights('transformer/diffusion_pytorch_model', transformer);

function json(path: string, value: unknown): void {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), `${JSON.stringify(value, null, 2)}\n`);
}

/** Writes random weights for a meta-device module, in shards with an index as diffusers does. */
function weights(path: string, module: Module): void {
  const shards: Map<string, number[]>[] = [];
  let room = 0;
  for (const [name, { shape, numel }] of module.stateDict()) {
    const sizeBytes = 2 * numel;
    if (shards.length === 0 || sizeBytes > room) {
      shards.push(new Map());
      room = shard * 1e9;
    }
    shards.at(-1)!.set(name, shape);
    room -= sizeBytes;
  }
  const number = (i: number) => String(i).padStart(5, '0');
  const home = (i: number) =>
    shards.length === 1
      ? `${path}.safetensors`
      : `${path}-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
  for (const [i, shapes] of shards.entries()) {
    const start = performance.now();
    tidy(() => {
      const tensors = new Map<string, Tensor>();
      for (const [name, shape] of shapes) tensors.set(name, randomParameter(name, shape));
      saveSafetensors(join(folder, home(i)), tensors, { format: 'pt' });
    });
    const seconds = (performance.now() - start) / 1000;
    console.error(`${join(folder, home(i))}: ${shapes.size} tensors, ${seconds.toFixed(0)} s`);
  }
  if (shards.length === 1) return;
  const homes = shards.flatMap((shapes, i) =>
    [...shapes.keys()].map((name) => [name, home(i).split('/').at(-1)] as const),
  );
  json(`${path}.safetensors.index.json`, {
    metadata: { total_size: 2 * module.parameterCount() },
    weight_map: Object.fromEntries(homes),
  });
}
