/**
 * Initial weights from a finished pipeline, for other tasks or other words with networks of the
 * same size.
 */
import { join } from 'node:path';
import { checkConfig } from '../../../check-config.js';
import { InputError } from '../../../errors.js';
import { isObject, readJson, readJsonObject } from '../../../files/read-json.js';
import { parseT5Config, T5Encoder } from '../../../models/t5/index.js';
import {
  isFlowMap,
  parseTransformerConfig,
  Transformer3D,
  type TransformerConfig,
} from '../../../models/transformer/index.js';
import { loadWeights, withParameters } from '../../../nn/index.js';
import type { Pipeline } from '../../../pipeline/index.js';
import { ModelIndex } from '../../../pipeline/settings.js';
import { allTasks, TASK_IDS, type Task } from '../../../tasks/index.js';
import { type DType, noGrad, tensor, tidy } from '../../../tensor/index.js';
import { DEPTH_CHANNEL } from '../step.js';
import type { TrainedPipeline } from '../trained-pipeline.js';
import { copyFromOtherForm, hasVelocity, NO_VELOCITY } from './other-form.js';

/**
 * Copies the weights of a pipeline folder's transformer, which may have fewer blocks or be distilled to
 * few steps, and text encoder.
 * Words that its vocabulary lacks keep their newly initialised embeddings.
 *
 * @throws InputError if a network there has other shapes
 */
export function startFrom(
  { pipeline, tokenizer }: TrainedPipeline,
  folder: string,
  dtype: DType,
  ownTasks: readonly Task[] = [],
): void {
  const { transformer, textEncoder } = pipeline;
  loadTransformer(transformer, folder, dtype);
  forgetUnknownDepth(transformer, folder, ownTasks);

  const before = openTextEncoder(folder, textEncoder, dtype);
  try {
    const rowsBefore = storedRows(folder);
    const pairs = [...rowsOf(tokenizer.tokenizer)].flatMap(([piece, row]) => {
      const rowBefore = rowsBefore.get(piece);
      return rowBefore === undefined ? [] : [[row, rowBefore] as const];
    });
    noGrad(() => tidy(() => copyText(before, textEncoder, pairs)));
  } finally {
    before.dispose();
  }
}

/** Loads the weights of a pipeline folder's transformer, which may be of another form. */
function loadTransformer(transformer: Transformer3D, folder: string, dtype: DType | null): void {
  const file = [join(folder, 'transformer'), 'diffusion_pytorch_model'] as const;
  const config = storedConfig(folder);
  const isFewer = config.num_layers < transformer.config.num_layers;
  if (!isFewer && !isFlowMap(config)) {
    loadWeights(transformer, ...file, dtype);
    return;
  }
  const other = withParameters({ device: 'meta' }, () => new Transformer3D(config));
  try {
    loadWeights(other, ...file, dtype);
    if (dtype !== null) copyFromOtherForm(other, transformer);
  } finally {
    other.dispose();
  }
}

function storedConfig(folder: string): TransformerConfig {
  const path = join(folder, 'transformer', 'config.json');
  return parseTransformerConfig(readJson(path), path);
}

/** @param pairs   rows of the embeddings of `to` and of `from` that belong to the same piece */
function copyText(
  from: T5Encoder,
  to: T5Encoder,
  pairs: readonly (readonly [number, number])[],
): void {
  const weights = from.stateDict();
  const rows = (side: 0 | 1) =>
    tensor(
      pairs.map((pair) => pair[side]),
      { dtype: 'int64' },
    );
  for (const [name, weight] of to.stateDict()) {
    const given = weights.get(name)!;
    if (name === EMBEDDING) weight.indexCopy_(0, rows(0), given.indexSelect(0, rows(1)));
    else weight.copy_(given);
  }
}

/**
 * Checks that `startFrom` can copy a folder's weights, without reading them. Afterwards the
 * transformer holds the mapped weights, whatever its device was, if it has as many blocks.
 *
 * @param key   the key of the recipe that names the folder
 * @throws InputError if a network there has other shapes, or something is missing
 */
export function expectToStartFrom(
  { transformer, textEncoder }: Pick<Pipeline, 'transformer' | 'textEncoder'>,
  folder: string,
  key: string,
): void {
  const config = storedConfig(folder);
  if (!hasVelocity(config)) {
    throw new InputError(`${key}: ${folder} ${NO_VELOCITY}`);
  }
  const others = Object.entries(SIZES).filter(([size]) => {
    if (size === 'num_layers' && config.num_layers < transformer.config.num_layers) return false;
    return String(config[size as SizeKey]) !== String(transformer.config[size as SizeKey]);
  });
  if (others.length > 0) {
    const words = others.map(([size, name]) => {
      const [there, own] = [config, transformer.config].map((one) => String(one[size as SizeKey]));
      return `${name} ${there} (not ${own})`;
    });
    throw new InputError(
      `${key}: must hold a transformer of the recipe's size, got ${folder} with ${words.join(', ')}; change the recipe, or train from scratch`,
    );
  }
  loadTransformer(transformer, folder, null);
  knowsDepth(folder);
  openTextEncoder(folder, textEncoder, null).dispose();
  storedRows(folder);
}

/** Sizes of a transformer, and the recipe's keys that determine them. */
const SIZES = {
  num_layers: 'numLayers',
  num_attention_heads: 'numHeads',
  cross_attention_dim: 'textEncoder.width',
  cond_block_out_channels: 'adapterChannels',
};
type SizeKey = keyof typeof SIZES;

/** The embedding matrix, with one row per piece. */
const EMBEDDING = 'shared.weight';

/**
 * Opens the text encoder of a folder.
 * @throws InputError if its shapes differ from those of `own`, except for the size of the vocabulary
 */
function openTextEncoder(folder: string, own: T5Encoder, dtype: DType | null): T5Encoder {
  const encoderFolder = join(folder, 'text_encoder');
  const configPath = join(encoderFolder, 'config.json');
  const config = parseT5Config(readJson(configPath), configPath);
  const encoder = withParameters({ device: 'meta' }, () => new T5Encoder(config));
  try {
    expectSameForm(encoder, own, encoderFolder);
    loadWeights(encoder, encoderFolder, 'model', dtype);
    return encoder;
  } catch (error) {
    encoder.dispose();
    throw error;
  }
}

function expectSameForm(encoder: T5Encoder, own: T5Encoder, where: string): void {
  const shapes = (network: T5Encoder) =>
    new Map([...network.namedParameters()].map(([name, { shape }]) => [name, shape]));
  const [there, wanted] = [shapes(encoder), shapes(own)];
  const remedy = 'train from scratch, or change the recipe';
  const further = [...there.keys()].find((name) => !wanted.has(name));
  if (further) {
    throw new InputError(
      `${where}: has ${further}, which the recipe's text encoder does not have; ${remedy}`,
    );
  }
  for (const [name, shape] of wanted) {
    const got = there.get(name);
    // the number of rows of the embedding may differ
    const isSame = name === EMBEDDING ? got?.[1] === shape[1] : String(got) === String(shape);
    if (isSame) continue;
    throw new InputError(
      `${where}: ${name} must be [${shape.join(', ')}] as the recipe has it, got ${got ? `[${got.join(', ')}]` : 'none'}; ${remedy}`,
    );
  }
}

/** Was the pipeline in a folder trained with depth? */
function knowsDepth(folder: string, ownTasks: readonly Task[] = []): boolean {
  const path = join(folder, 'model_index.json');
  const { _mfm: settings } = checkConfig(ModelIndex, readJson(path), path);
  const trained = settings?.tasks ?? TASK_IDS;
  const tasks = allTasks(ownTasks).filter(({ id }) => trained.includes(id));
  return settings?.usesDepth || tasks.some(({ needs }) => needs.depth);
}

/**
 * Zeroes the weights of the depth channel if the pipeline in `folder`, which they are from, was never
 * trained with depth: it still has random ones there, so depth would act as noise at first.
 */
export function forgetUnknownDepth(
  { condConv, config }: Transformer3D,
  folder: string,
  ownTasks: readonly Task[] = [],
): void {
  if (!config.use_depth_cond || knowsDepth(folder, ownTasks)) return;
  noGrad(() => tidy(() => void condConv.convIn.weight.narrow(1, DEPTH_CHANNEL, 1).zero_()));
}

/**
 * The pieces of a pipeline folder's tokenizer and their rows.
 * @throws InputError unless its vocabulary is a list of pieces
 */
function storedRows(folder: string): Map<string, number> {
  const path = join(folder, 'tokenizer', 'tokenizer.json');
  const { model } = readJsonObject(path);
  const vocab = isObject(model) ? model.vocab : undefined;
  const isPiece = (row: unknown) => Array.isArray(row) && typeof row[0] === 'string';
  if (!Array.isArray(vocab) || !vocab.every(isPiece)) {
    throw new InputError(
      `${path}: must have a Unigram model with a list of pieces, as \`mfm train\` writes it`,
    );
  }
  return rowsOf({ model: { vocab } });
}

/** The row of each piece in the embedding; see `buildTokenizer`. */
function rowsOf(tokenizer: unknown): Map<string, number> {
  const { model } = tokenizer as { model: { vocab: [string, number][] } };
  return new Map(model.vocab.map(([piece], row) => [piece, row]));
}
