/**
 * A pipeline's networks and their sizes, from the configurations alone: enough to estimate the cost
 * of a result, even for a preset without weights.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { readJson } from '../files/read-json.js';
import {
  Autoencoder,
  type AutoencoderConfig,
  parseAutoencoderConfig,
} from '../models/autoencoder/index.js';
import { parseT5Config, type T5Config, T5Encoder } from '../models/t5/index.js';
import {
  parseTransformerConfig,
  TRANSFORMER_PRESETS,
  Transformer3D,
  type TransformerConfig,
} from '../models/transformer/index.js';
import { type Module, withParameters } from '../nn/index.js';
import { bytesPerElement, type DType, openSafetensors } from '../tensor/index.js';

/** The networks of a pipeline, in the order in which a result needs them. */
export const PARTS = ['text_encoder', 'transformer', 'vae'] as const;
export type PartName = (typeof PARTS)[number];

export interface PartShape {
  parameters: number;
  /** dtype of the stored weights; null if there are no weights */
  stored: DType | null;
}

export interface PipelineShape {
  transformer: TransformerConfig;
  autoencoder: AutoencoderConfig;
  textEncoder: T5Config;
  parts: Record<PartName, PartShape>;
}

/** Configurations of the released pipelines. Source: the paper's table 7 (text width), T5 v1.1 XL, CogVideoX */
const RELEASED_PARTS = {
  autoencoder: {},
  textEncoder: {
    d_model: 2048,
    d_kv: 64,
    d_ff: 5120,
    num_heads: 32,
    num_layers: 24,
    feed_forward_proj: 'gated-gelu',
  },
};

/** The preset sizes of the released pipelines. */
export const PIPELINE_PRESETS = ['mfm-2b', 'mfm-8b'] as const;
export type PipelinePreset = (typeof PIPELINE_PRESETS)[number];

/** The shape of a released size, for which no weights are needed. */
export function presetShape(preset: PipelinePreset): PipelineShape {
  return shapeOf({
    transformer: TRANSFORMER_PRESETS[preset],
    autoencoder: parseAutoencoderConfig(RELEASED_PARTS.autoencoder),
    textEncoder: parseT5Config(RELEASED_PARTS.textEncoder),
  });
}

/** The shape of networks that are not stored anywhere. */
export function shapeOf(configs: Omit<PipelineShape, 'parts'>): PipelineShape {
  return { ...configs, parts: partsOf(configs, () => null) };
}

/**
 * The shape of a pipeline folder, without loading its weights.
 * @throws InputError naming the file and what is wrong with it
 */
export function readShape(folder: string): PipelineShape {
  const read = <T>(part: PartName, parse: (config: unknown, where: string) => T): T => {
    const path = join(folder, part, 'config.json');
    if (!existsSync(path)) throw new InputError(`${path}: no such file; download it again`);
    return parse(readJson(path), path);
  };
  const configs = {
    transformer: read('transformer', parseTransformerConfig),
    autoencoder: read('vae', parseAutoencoderConfig),
    textEncoder: read('text_encoder', parseT5Config),
  };
  return { ...configs, parts: partsOf(configs, (part) => storedDType(join(folder, part))) };
}

function partsOf(
  { transformer, autoencoder, textEncoder }: Omit<PipelineShape, 'parts'>,
  stored: (part: PartName) => DType | null,
): Record<PartName, PartShape> {
  const part = (name: PartName, make: () => Module): PartShape => ({
    parameters: parametersOf(make),
    stored: stored(name),
  });
  return {
    text_encoder: part('text_encoder', () => new T5Encoder(textEncoder)),
    transformer: part('transformer', () => new Transformer3D(transformer)),
    vae: part('vae', () => new Autoencoder(autoencoder)),
  };
}

/** Counts parameters on the meta device, where they have shapes but no memory. */
function parametersOf(make: () => Module): number {
  const module = withParameters({ device: 'meta' }, make);
  const count = module.parameterCount();
  module.dispose();
  return count;
}

/** Number of elements of each parameter of a text encoder, by name. */
export function textElements(config: T5Config): Map<string, number> {
  const encoder = withParameters({ device: 'meta' }, () => new T5Encoder(config));
  const elements = new Map(
    [...encoder.namedParameters()].map(([name, { numel }]) => [name, numel]),
  );
  encoder.dispose();
  return elements;
}

/**
 * How many parameters a part has by its configuration; null if the part is not a network.
 * @throws InputError naming the file and what is wrong with it
 */
export function partParameters(folder: string, part: string): number | null {
  const path = join(folder, part, 'config.json');
  const make = {
    transformer: (config: unknown) => new Transformer3D(parseTransformerConfig(config, path)),
    vae: (config: unknown) => new Autoencoder(parseAutoencoderConfig(config, path)),
    text_encoder: (config: unknown) => new T5Encoder(parseT5Config(config, path)),
  }[part];
  if (!make || !existsSync(path)) return null;
  return parametersOf(() => make(readJson(path)));
}

/** Dtype of the first tensor of the first weight file; null if there is no file. */
function storedDType(folder: string): DType | null {
  const name = readdirSync(folder).find((file) => file.endsWith('.safetensors'));
  if (!name) return null;
  const file = openSafetensors(join(folder, name));
  try {
    return file.info(file.keys()[0]!).dtype;
  } finally {
    file.close();
  }
}

/**
 * What a part of a pipeline in `dtype` computes in: T5's hidden states overflow float16.
 *
 * Source: transformers, which keeps parts of T5 in float32
 */
export const dtypeOfPart = (part: PartName, dtype: DType): DType =>
  part === 'text_encoder' && dtype === 'float16' ? 'float32' : dtype;

/** Bytes of a part's weights while it computes in `dtype`. */
export const weightBytes = ({ parameters }: PartShape, dtype: DType): number =>
  parameters * bytesPerElement(dtype);
