/** Training that begins with a finished pipeline: other tasks, other words, the same networks. */
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { parseT5Config, T5Encoder } from '../models/t5/index.js';
import type { Transformer3D } from '../models/transformer/index.js';
import { loadWeights } from '../nn/index.js';
import { ModelIndex } from '../pipeline/settings.js';
import { readJson } from '../read-json.js';
import { TASK_IDS, TASKS, type Task } from '../tasks/index.js';
import { type DType, noGrad, tensor, tidy } from '../tensor/index.js';
import type { Trainee } from './trainee.js';

/**
 * Copies the weights of a pipeline folder's transformer and text encoder. Words that its vocabulary
 * lacks keep the fresh embedding that they have.
 *
 * @throws InputError if a network there is of another form
 */
export function startFrom({ pipeline, tokenizer }: Trainee, folder: string, dtype: DType): void {
  const { transformer, textEncoder } = pipeline;
  loadWeights(transformer, join(folder, 'transformer'), 'diffusion_pytorch_model', dtype);
  if (!knowsDepth(folder)) forgetDepth(transformer);

  const encoderFolder = join(folder, 'text_encoder');
  const configPath = join(encoderFolder, 'config.json');
  const before = new T5Encoder(parseT5Config(readJson(configPath), configPath));
  try {
    loadWeights(before, encoderFolder, 'model', dtype);
    const rowsBefore = rowsOf(readJson(join(folder, 'tokenizer', 'tokenizer.json')));
    const pairs = [...rowsOf(tokenizer.tokenizer)].flatMap(([piece, row]) => {
      const rowBefore = rowsBefore.get(piece);
      return rowBefore === undefined ? [] : [[row, rowBefore] as const];
    });
    noGrad(() => tidy(() => copyText(before, textEncoder, pairs, encoderFolder)));
  } finally {
    before.dispose();
  }
}

/**
 * @param pairs   rows of the embedding, of `to` and of `from`, that are of the same piece
 * @throws InputError naming a tensor that is only in one of them, or has another shape
 */
function copyText(
  from: T5Encoder,
  to: T5Encoder,
  pairs: readonly (readonly [number, number])[],
  where: string,
): void {
  const weights = from.stateDict();
  const own = to.stateDict();
  const further = [...weights.keys()].find((name) => !own.has(name));
  if (further) {
    throw new InputError(
      `${where}: has ${further}, which the recipe's text encoder has not; train from scratch, or change the recipe`,
    );
  }
  const rows = (side: 0 | 1) =>
    tensor(
      pairs.map((pair) => pair[side]),
      { dtype: 'int64' },
    );
  for (const [name, weight] of own) {
    const given = weights.get(name);
    if (given && name === 'shared.weight') {
      weight.indexCopy_(0, rows(0), given.indexSelect(0, rows(1)));
    } else if (given && String(given.shape) === String(weight.shape)) {
      weight.copy_(given);
    } else {
      throw new InputError(
        `${where}: ${name} must be [${weight.shape.join(', ')}] as the recipe has it, got ${given ? `[${given.shape.join(', ')}]` : 'none'}; train from scratch, or change the recipe`,
      );
    }
  }
}

/** Was it trained with any depth? */
function knowsDepth(folder: string): boolean {
  const { _mfm: settings } = ModelIndex.parse(readJson(join(folder, 'model_index.json')));
  const trained = settings?.tasks ?? TASK_IDS;
  const tasks = Object.values<Task>(TASKS).filter(({ id }) => trained.includes(id));
  return settings?.usesDepth || tasks.some(({ needs }) => needs.depth);
}

/** Weights that depth never reached are as they were drawn: it would begin as noise. */
function forgetDepth({ condConv, config }: Transformer3D): void {
  if (!config.use_depth_cond) return;
  noGrad(() => tidy(() => void condConv.convIn.weight.narrow(1, DEPTH_CHANNEL, 1).zero_()));
}

/** After the three of the pixels. */
const DEPTH_CHANNEL = 3;

/** Rows of the embedding by piece; see `buildTokenizer`. */
function rowsOf(tokenizer: unknown): Map<string, number> {
  const { model } = tokenizer as { model: { vocab: [string, number][] } };
  return new Map(model.vocab.map(([piece], row) => [piece, row]));
}
