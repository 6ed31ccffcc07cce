/** What a fine-tuning job is asked for, and the recipe that it becomes. */
import { z } from '@hono/zod-openapi';
import { badRequest, HttpError, problemsIn } from '../errors.js';
import type { Model } from '../models.js';
import type { ErrorBody } from '../schemas/error.js';
import { FileId } from '../schemas/media.js';

const count = (most: number) => z.int().min(1).max(most);

export const FineTuning = z
  .strictObject({
    model: z
      .string()
      .max(200)
      .optional()
      .describe('the pipeline to begin with; default: the first one'),
    training_files: z
      .array(z.strictObject({ file_id: FileId, caption: z.string().max(10_000).optional() }))
      .min(1)
      .max(10_000)
      .optional()
      .describe('pictures and clips, with their captions'),
    training_file: FileId.optional().describe(
      'a manifest (.jsonl) whose `image`, `video`, `mask`, `target` and `depth` are ids of files',
    ),
    training_folder: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe('a folder that GET /v1/data lists'),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][\w-]{0,63}$/, {
        error: () =>
          'must begin with a letter or digit and have nothing but letters, digits, - and _, at most 64',
      })
      .optional()
      .describe('begins the name of the run'),
    suffix: z.string().max(64).nullable().optional().describe('the same as `name`'),
    seed: z
      .int()
      .min(0)
      .max(2 ** 53 - 1)
      .optional(),
    method: z
      .strictObject({
        type: z.enum(['lora', 'full']),
        lora: z.strictObject({ rank: count(1024).optional() }).optional(),
      })
      .optional()
      .describe('lora (default): small files, added to the weights; full: a pipeline of its own'),
    hyperparameters: z
      .strictObject({
        steps: count(10_000_000).optional(),
        batch_size: count(4096).optional().describe('clips per step'),
        learning_rate: z.number().gt(0).max(1).optional(),
        num_frames: count(4097).optional().describe('the most frames of a clip, 4k + 1'),
        width: count(8192).optional(),
        height: count(8192).optional(),
        tasks: z.array(z.string().max(40)).min(1).max(100).nullable().optional(),
        validate_every: count(1_000_000).optional().describe('steps'),
        sample_every: count(1_000_000).optional().describe('steps'),
      })
      .optional(),
    recipe: z
      .record(z.string(), z.unknown())
      .optional()
      .describe(
        'keys of a recipe (docs/training.md), which override what follows from the rest; no paths',
      ),
  })
  .openapi('FineTuningRequest');
export type FineTuning = z.infer<typeof FineTuning>;

const DEFAULT_STEPS = 1000;
const DEFAULT_BATCH = 8;
const RANK = 16;

/**
 * @param name      of the run
 * @param manifest  the folder or file of the data; null: the recipe names its own
 */
export function recipeOf(
  asked: FineTuning,
  { name, model, manifest }: { name: string; model: Model; manifest: string | null },
): Record<string, unknown> {
  const {
    method = { type: 'lora' as const },
    hyperparameters: own = {},
    recipe = {},
    seed = 0,
  } = asked;
  const { width, height, numFrames } = defaultsOf(model);
  const size = { width: own.width ?? width, height: own.height ?? height };
  const frames = own.num_frames ?? numFrames;
  const steps = own.steps ?? DEFAULT_STEPS;
  const rank = method.lora?.rank ?? RANK;
  const isLora = method.type === 'lora';
  // as in recipes/finetune.yaml
  const transformer = {
    ...(isLora ? { lora: { rank, alpha: rank } } : {}),
    ...size,
    numFrames: frames,
    steps,
    learningRate: own.learning_rate ?? (isLora ? 5e-4 : 1e-4),
    finalLearningRate: 0.1,
    warmupSteps: Math.min(50, Math.floor(steps / 10)),
    emaDecay: 0.99,
    timestepShift: 2.5,
    tokensPerBatch: (own.batch_size ?? DEFAULT_BATCH) * tokensOf({ ...size, frames }),
    imageShare: imageShareOf(model, own.tasks ?? null),
    validateEverySteps: own.validate_every ?? Math.max(1, Math.min(100, Math.floor(steps / 4))),
    sampleEverySteps: own.sample_every ?? Math.max(1, Math.min(250, Math.floor(steps / 2))),
    logEverySteps: Math.max(1, Math.min(20, Math.floor(steps / 10))),
    checkpointEverySeconds: 60,
    ...(own.tasks ? { tasks: Object.fromEntries(own.tasks.map((id) => [id, 1])) } : {}),
  };
  expectNoPaths(recipe, 'recipe');
  const all = merge(
    {
      seed,
      validationSamples: 4,
      ...(manifest === null ? {} : { data: [{ manifest }] }),
      transformer,
    },
    recipe,
  );
  expectMethod(all, isLora);
  return { ...all, name, base: model.folder };
}

/** @throws HttpError if a recipe does not train what the method says, as which it would be offered */
function expectMethod(recipe: Record<string, unknown>, isLora: boolean): void {
  if (recipe.transformer !== undefined && !isLevel(recipe.transformer)) return; // refused later
  const trainsLora = at(recipe, 'transformer.lora') !== undefined;
  const trains = recipe.transformer !== undefined || recipe.distillation !== undefined;
  if (trains && trainsLora === isLora) return;
  const [made, other] = isLora ? ['a LoRA', 'full'] : ['a pipeline', 'lora'];
  throw badRequest(
    trains
      ? `recipe: does not make ${made}, as the method says; leave transformer.lora out, or name the method "${other}"`
      : 'recipe: leaves out the transformer, which a fine-tuning job trains; leave it in',
    'recipe',
  );
}

/** Where keys of the recipe come from, by the fields of a request. */
const SOURCES = {
  'hyperparameters.num_frames': /^transformer\.numFrames\b/,
  'hyperparameters.width': /^transformer\.width\b/,
  'hyperparameters.height': /^transformer\.height\b/,
  'hyperparameters.steps': /^transformer\.steps\b/,
  'hyperparameters.batch_size': /^transformer\.tokensPerBatch\b/,
  'hyperparameters.learning_rate': /^transformer\.learningRate\b/,
  'hyperparameters.tasks': /^transformer\.tasks\b/,
  'hyperparameters.validate_every': /^transformer\.validateEverySteps\b/,
  'hyperparameters.sample_every': /^transformer\.sampleEverySteps\b/,
  'method.lora.rank': /^(transformer\.)?lora\.rank\b/,
};

/** Why a recipe is refused, in the words of the request that it was made of: the first problem. */
export function refusedRecipe(asked: FineTuning, { code, message }: ErrorBody): HttpError {
  const problem = problemsIn(message)[0]!;
  for (const [field, key] of Object.entries(SOURCES)) {
    const place = key.exec(problem)?.[0];
    if (place === undefined || at(asked, field) === undefined) continue;
    if (at(asked.recipe, place) === undefined) {
      return new HttpError(400, code, problem.replace(key, field), { param: field });
    }
  }
  const key = /^\w+/.exec(problem)?.[0] ?? '';
  if (at(asked.recipe, key) === undefined) return new HttpError(400, code, problem);
  return new HttpError(400, code, `recipe.${problem}`, { param: 'recipe' });
}

/** What stands at a place such as `method.lora.rank`; undefined if nothing does. */
const at = (value: unknown, place: string): unknown =>
  place
    .split('.')
    .reduce(
      (level, key) => (isLevel(level) && Object.hasOwn(level, key) ? level[key] : undefined),
      value,
    );

/** A quarter, unless all tasks make pictures, or all make clips. */
function imageShareOf(model: Model, tasks: readonly string[] | null): [number, number] {
  const results = model.facts.tasks
    .filter(({ id, trained }) => (tasks === null ? trained : tasks.includes(id)))
    .map(({ result }) => result);
  if (!results.includes('video')) return [1, 1];
  return results.includes('image') ? [0.25, 0.25] : [0, 0];
}

const defaultsOf = (model: Model) =>
  (model.facts.tasks.find(({ id }) => id === 't2v') ?? model.facts.tasks[0]!).defaults;

/** A token is 16 × 16 pixels of a latent frame, and latent frames are those of 4 frames. */
const tokensOf = ({ width, height, frames }: { width: number; height: number; frames: number }) =>
  Math.ceil(width / 16) * Math.ceil(height / 16) * (Math.floor((frames - 1) / 4) + 1);

function merge(
  into: Record<string, unknown>,
  changes: Record<string, unknown>,
): Record<string, unknown> {
  const merged = { ...into };
  for (const [key, value] of Object.entries(changes)) {
    const before = merged[key];
    if (value === null) delete merged[key];
    else merged[key] = isLevel(before) && isLevel(value) ? merge(before, value) : value;
  }
  return merged;
}

const isLevel = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Keys whose values are paths, wherever they stand. */
const PATHS = ['base', 'init', 'from', 'model', 'photos', 'manifest', 'dataset'];

/** @throws HttpError if a recipe names files of this machine */
function expectNoPaths(value: unknown, where: string): void {
  if (Array.isArray(value)) {
    for (const [i, one] of value.entries()) expectNoPaths(one, `${where}.${i}`);
  }
  if (!isLevel(value)) return;
  for (const [key, one] of Object.entries(value)) {
    const at = `${where}.${key}`;
    // depth.from is a word, not a path
    const isWord = where === 'recipe.depth' && key === 'from';
    if (PATHS.includes(key) && typeof one === 'string' && !isWord) {
      throw badRequest(
        `${at}: paths are not accepted in a recipe here; name the pipeline with \`model\`, and data with \`training_files\`, \`training_file\` or \`training_folder\``,
        'recipe',
      );
    }
    expectNoPaths(one, at);
  }
}
