/** Opens and saves pipeline folders in diffusers layout. */
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { z } from 'zod';
import { checkConfig } from '../check-config.js';
import { SchedulerConfig } from '../diffusion/index.js';
import { InputError } from '../errors.js';
import { readJson } from '../files/read-json.js';
import { writeFailure } from '../files/write-failure.js';
import { Autoencoder, parseAutoencoderConfig } from '../models/autoencoder/index.js';
import {
  PromptTokenizer,
  parseT5Config,
  T5Encoder,
  type TokenizerFiles,
} from '../models/t5/index.js';
import { parseTransformerConfig, Transformer3D } from '../models/transformer/index.js';
import {
  applyLora,
  fastDtype,
  findBrokenWeight,
  loadWeights,
  type Module,
  readLora,
  withParameters,
} from '../nn/index.js';
import {
  bytesPerElement,
  type DType,
  memoryFor,
  saveSafetensors,
  type Tensor,
  tidy,
} from '../tensor/index.js';
import { expectWeightsToFit } from './cost/available.js';
import { mappedPart, type PipelinePart, type ReadyReport } from './part.js';
import { Pipeline } from './pipeline.js';
import { ModelIndex, type PipelineSettings, RELEASED_SETTINGS } from './settings.js';
import { dtypeOfPart, type PartName, type PipelineShape } from './shape.js';

export interface OpenOptions {
  /** dtype of matrix products; 'auto': see `fastDtype` */
  dtype?: DType | 'auto';
  /** where the networks compute, as `resolveDevice` names it */
  device?: string;
  /** see `Pipeline`; default: true if all networks together would take much of the free memory */
  oneAtATime?: boolean;
  /** added to the transformer's weights, in this order */
  loras?: readonly LoraUse[];
  /** called when a part's weights have been brought to their dtype and device */
  onPartReady?: (part: string, report: ReadyReport) => void;
}

/** A LoRA file or folder and its strength: 1 applies it in full. */
export interface LoraUse {
  path: string;
  scale: number;
}

/**
 * Opens a pipeline folder. Weights are mapped into memory, and converted on first use if the dtype
 * differs.
 * @throws InputError naming the part and what is wrong with it
 */
export function openPipeline(
  folder: string,
  { dtype = 'auto', device = 'cpu', oneAtATime, loras = [], onPartReady }: OpenOptions = {},
): Pipeline {
  const index = readChecked(folder, 'model_index.json', ModelIndex);
  const type = dtype === 'auto' ? fastDtype(device) : dtype;
  const part = <M extends Module>(
    name: PartName,
    file: string,
    make: (config: unknown, where: string) => M,
    change?: (module: M, dtype: DType) => void,
  ): PipelinePart<M> => {
    const where = join(folder, name, 'config.json');
    const config = readConfig(folder, join(name, 'config.json'));
    const open = () => {
      const module = withParameters({ device: 'meta' }, () => make(config, where));
      loadWeights(module, join(folder, name), file, null);
      return module.requiresGrad_(false).eval();
    };
    const own = dtypeOfPart(name, type);
    const onReady = (report: ReadyReport) => onPartReady?.(name, report);
    const findBroken = () => findBrokenWeight(join(folder, name), file);
    return mappedPart(open, own, { device, change, onReady, findBroken });
  };
  const parts = {
    transformer: part(
      'transformer',
      'diffusion_pytorch_model',
      (config, where) => new Transformer3D(parseTransformerConfig(config, where)),
      (transformer, dtype) => addLoras(transformer, loras, dtype),
    ),
    autoencoder: part('vae', 'diffusion_pytorch_model', (config, where) => {
      const autoencoder = new Autoencoder(parseAutoencoderConfig(config, where));
      autoencoder.enableTiling(); // bounds the memory that large pictures need, as in the reference
      return autoencoder;
    }),
    textEncoder: part(
      'text_encoder',
      'model',
      (config, where) => new T5Encoder(parseT5Config(config, where)),
    ),
  };
  // report a file that does not fit now, not when it is used
  tidy(() => {
    for (const { path } of loras) readLora(path, parts.transformer.module);
  });
  const parameters = Object.values(parts).map(({ module }) => module.parameterCount());
  const apart = oneAtATime ?? takesMuch(parameters, type, device);
  const weights = parameters.map((count) => count * bytesPerElement(type));
  expectWeightsToFit(weights, apart, device);
  return new Pipeline(
    parts,
    PromptTokenizer.open(join(folder, 'tokenizer')),
    readScheduler(folder),
    index._mfm ?? RELEASED_SETTINGS,
    type,
    apart,
  );
}

/** Adds LoRA changes to the weights, which then are in `dtype`; the mapped files are not changed. */
function addLoras(transformer: Transformer3D, loras: readonly LoraUse[], dtype: DType): void {
  tidy(() => {
    const read = loras.map(({ path, scale }) => ({ ...readLora(path, transformer), scale }));
    applyLora(transformer, read, dtype);
  });
}

/** If all networks together take more than this share of free memory, they are loaded one at a time. */
const MEMORY_SHARE = 0.2;

function takesMuch(parameters: readonly number[], dtype: DType, device: string): boolean {
  const total = parameters.reduce((a, b) => a + b);
  return total * bytesPerElement(dtype) > MEMORY_SHARE * memoryFor(device);
}

/** Would a pipeline that is opened now load its networks one at a time? */
export const runsOneAtATime = ({ parts }: PipelineShape, dtype: DType, device: string): boolean =>
  takesMuch(
    Object.values(parts).map(({ parameters }) => parameters),
    dtype,
    device,
  );

/** A pipeline folder's own settings; those of the released models if it has none. */
export const readSettings = (folder: string): PipelineSettings =>
  readChecked(folder, 'model_index.json', ModelIndex)._mfm ?? RELEASED_SETTINGS;

/** A pipeline folder's schedule of noise levels. */
export const readScheduler = (folder: string): SchedulerConfig =>
  readChecked(folder, SCHEDULER, SchedulerConfig);

const SCHEDULER = join('scheduler', 'scheduler_config.json');

/** Names under which a pipeline folder may carry a depth model; what mfm writes has the last. */
const DEPTH_NAMES = ['depth', 'depth_pipe', 'depth_model'];

/** The depth model that a pipeline folder carries; null if it has none. */
export function depthFolderOf(folder: string): string | null {
  const found = DEPTH_NAMES.find((name) =>
    existsSync(join(folder, name, 'preprocessor_config.json')),
  );
  return found ? join(folder, found) : null;
}

/** The class names by which other tools find the parts, as diffusers 0.33.1 writes them. */
export const MODEL_INDEX = {
  _class_name: 'MfMPipeline',
  _diffusers_version: '0.33.1',
  depth_pipe: [null, null],
  scheduler: ['diffusers', 'FlowMatchEulerDiscreteScheduler'],
  text_encoder: ['transformers', 'T5EncoderModel'],
  tokenizer: ['transformers', 'T5Tokenizer'],
  transformer: ['mfm.modeling.transformer_3d', 'Transformer3DModel'],
  vae: ['diffusers', 'AutoencoderKLCogVideoX'],
};

/** The contents of a pipeline folder; a `Pipeline` has them. */
export interface PipelineParts {
  transformer: Transformer3D;
  autoencoder: Autoencoder;
  textEncoder: T5Encoder;
  scheduler: SchedulerConfig;
  settings: PipelineSettings;
}

/**
 * Writes a pipeline folder, atomically: an older one stays in place until the new one is complete.
 * @param dtype       dtype of the stored weights; bfloat16 takes half the space of float32
 * @param depthModel  folder of the depth model that it carries; null: none
 * @throws JobError if the disk is full; the incomplete folder is removed
 */
export function savePipeline(
  folder: string,
  parts: PipelineParts,
  tokenizer: TokenizerFiles,
  dtype: DType,
  depthModel: string | null = null,
): void {
  const target = resolve(folder);
  const temporary = `${target}.${process.pid}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  const json = (path: string, value: unknown) => {
    mkdirSync(join(temporary, path, '..'), { recursive: true });
    const text = `${JSON.stringify(value, null, 2)}\n`;
    writeFileSync(join(temporary, path), text, { flush: true }); // flushed, as the weights are
  };
  const weights = (path: string, module: Module) =>
    tidy(() => {
      const tensors = new Map<string, Tensor>();
      for (const [name, tensor] of module.stateDict()) tensors.set(name, tensor.to(dtype));
      saveSafetensors(join(temporary, path), tensors, { format: 'pt' });
    });
  const { transformer, autoencoder, textEncoder, scheduler, settings } = parts;
  try {
    const index = { ...MODEL_INDEX, scheduler: ['diffusers', scheduler._class_name] };
    json('model_index.json', { ...index, _mfm: settings });
    json(SCHEDULER, scheduler);
    json('transformer/config.json', transformer.config);
    weights('transformer/diffusion_pytorch_model.safetensors', transformer);
    json('vae/config.json', autoencoder.config);
    weights('vae/diffusion_pytorch_model.safetensors', autoencoder);
    json('text_encoder/config.json', textEncoder.config);
    weights('text_encoder/model.safetensors', textEncoder);
    json('tokenizer/tokenizer.json', tokenizer.tokenizer);
    json('tokenizer/tokenizer_config.json', tokenizer.config);
    if (depthModel) cpSync(depthModel, join(temporary, DEPTH_NAMES.at(-1)!), COPY);
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    throw writeFailure(target, cause);
  }

  const old = `${target}.${process.pid}.old`;
  if (existsSync(target)) renameSync(target, old);
  renameSync(temporary, target);
  rmSync(old, { recursive: true, force: true });
}

/** Weights may be links into a cache of models. */
const COPY = { recursive: true, dereference: true };

/** Reads a file and checks it by its schema. @throws InputError naming every key that is wrong */
function readChecked<T>(folder: string, name: string, schema: z.ZodType<T>): T {
  return checkConfig(schema, readConfig(folder, name), join(folder, name));
}

function readConfig(folder: string, name: string): unknown {
  const path = join(folder, name);
  if (!existsSync(path)) {
    throw new InputError(
      `${folder}: is not a pipeline folder (no ${name}); give one with ${basename(name)}, as \`mfm train\` writes it`,
    );
  }
  return readJson(path);
}
