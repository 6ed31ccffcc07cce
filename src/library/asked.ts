/** A request's options, checked and in one form, for the pipeline and for the stored settings. */
import { z } from 'zod';
import { InputError } from '../errors.js';
import { MOST_FRAMES, MOST_STEPS } from '../limits.js';
import { DEFAULT_TOLERANCE, DEPTH_MEANINGS, FIT_WAYS } from '../media/index.js';
import { bare, type DepthPart, hasPlace, type KnownPart } from '../pipeline/generate/placed.js';
import { CROP_TYPES, type UserRequest } from '../pipeline/generate/request.js';
import { LAST_SEED } from '../seed.js';
import { didYouMean } from '../suggest.js';
import type { Task } from '../tasks/index.js';
import type { MediaInput } from './media-input.js';
import type { AnyDepth, GenerateOptions, MaskInput } from './request.js';

/** Inputs of type `M`: as a program gives them, as the pipeline reads them, or as JSON. */
type WithMedia<M> = {
  inputs: M[];
  known?: KnownPart<M>[];
  mask?: AskedMask<M>;
  depth?: (M | DepthPart<M>)[];
  depthFrom?: M;
  reference?: M;
};
type AskedMask<M> = { file: M } | Exclude<NonNullable<UserRequest['mask']>, { file: unknown }>;

type Functions = 'signal' | 'onProgress' | 'onPreview' | 'onNote' | 'onPlan' | 'rewritePrompt';
/** How it is made, which does not change it. */
type Making = 'checkMemory' | 'keepFrames' | 'previewSeconds';
/** Everything that determines a result, except the task and the seed. */
export type Asked<M> = WithMedia<M> & { prompt: string } & Omit<
    GenerateOptions,
    keyof WithMedia<M> | 'prompt' | 'input' | 'seed' | Making | Functions
  >;

/** Options in the order in which settings are stored. @throws InputError naming the wrong option */
export function askedOf(task: Task, options: GenerateOptions): Asked<MediaInput> {
  expectOptions(task, options);
  const { input, inputs, mask, depth } = options;
  return {
    prompt: options.prompt ?? '',
    addedPrompt: options.addedPrompt,
    negativePrompt: options.negativePrompt,
    inputs: input === undefined ? [...(inputs ?? [])] : [input],
    known: options.known?.map((part) => ({
      media: part.media,
      at: part.at,
      mask: part.mask,
      invert: part.invert || undefined,
      gray: part.gray || undefined,
      depth: part.depth,
      keep: part.keep,
    })),
    mask: mask === undefined ? undefined : askedMask(mask),
    invertMask: options.invertMask || undefined,
    expand: options.expand,
    reference: options.reference,
    fit: options.fit,
    strict: options.strict || undefined,
    keepKnown: options.keepKnown,
    window: options.window,
    tile: options.tile,
    depth: depth === undefined ? undefined : isList(depth) ? [...depth] : [depth],
    depthIs: options.depthIs,
    depthFrom: options.depthFrom,
    size: options.size,
    numFrames: options.numFrames,
    numInferenceSteps: options.numInferenceSteps,
    guidanceScale: options.guidanceScale,
    motionScore: options.motionScore,
    solver: options.solver,
    useTSchedule: options.useTSchedule || undefined,
    guidanceRange: options.guidanceRange,
    noiseAugStrength: options.noiseAugStrength,
    cacheThreshold: options.cacheThreshold,
    upscale: options.upscale,
    compat: options.compat,
  };
}

const isList = (depth: NonNullable<GenerateOptions['depth']>): depth is readonly AnyDepth[] =>
  Array.isArray(depth);

function askedMask(mask: MaskInput): AskedMask<MediaInput> {
  if (typeof mask === 'string') return { file: mask };
  if ('box' in mask) return { box: mask.box };
  if ('colour' in mask) {
    return { colour: mask.colour, tolerance: mask.tolerance ?? DEFAULT_TOLERANCE };
  }
  return 'alpha' in mask ? { alpha: true } : { file: mask };
}

/** Options with every input replaced; `name` is what messages call the input. */
export async function withMedia<M>(
  asked: Asked<MediaInput>,
  replaced: (input: MediaInput, name: string) => Promise<M>,
): Promise<Asked<M>> {
  const all = async (name: string, list: readonly MediaInput[]): Promise<M[]> => {
    const made: M[] = [];
    for (const [i, one] of list.entries()) {
      made.push(await replaced(one, list.length > 1 ? `${name}[${i}]` : name));
    }
    return made;
  };
  const { mask, depth, depthFrom, reference } = asked;
  const optional = async (input: MediaInput | undefined, name: string) =>
    input === undefined ? undefined : replaced(input, name);
  const known: KnownPart<M>[] = [];
  for (const [i, part] of (asked.known ?? []).entries()) {
    known.push({
      ...part,
      media: await replaced(part.media, `known[${i}]`),
      mask: await optional(part.mask, `known[${i}].mask`),
      depth: await optional(part.depth, `known[${i}].depth`),
    });
  }
  const deep: (M | DepthPart<M>)[] = [];
  for (const [i, one] of (depth ?? []).entries()) {
    const media = await replaced(bare(one), depth!.length > 1 ? `depth[${i}]` : 'depth');
    deep.push(hasPlace(one) ? { media, at: one.at } : media);
  }
  return {
    ...asked,
    inputs: await all(asked.inputs.length > 1 ? 'inputs' : 'input', asked.inputs),
    known: asked.known && known,
    mask: mask && 'file' in mask ? { file: await replaced(mask.file, 'mask') } : mask,
    reference: await optional(reference, 'reference'),
    depth: depth && deep,
    depthFrom: await optional(depthFrom, 'depthFrom'),
  };
}

const side = z.int().min(1);
const size = z.object({ width: side, height: side });
const part = z.number().min(0).max(1);
const frames = z.int().min(1).max(MOST_FRAMES);
const functionOf = z.custom((value) => typeof value === 'function', 'must be a function');
const media = z.custom(
  (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
  'must be a path, the bytes of a file as Uint8Array or Blob, or raw frames',
);

const frame = z.int();
const place = z.union(
  [frame, z.tuple([frame, frame])],
  'must be a frame, such as 0 or -1, or the first and the last of a run, such as [24, 40]',
);
const placed = z.strictObject({ media, at: place });
const depth = media.refine(
  (one) => !hasPlace(one) || placed.safeParse(one).success,
  'must be media, or { media, at } with a frame, such as 0 or -1, or the first and the last of a run',
);

/** Checks that apply to every task; `expectParts` checks which options a task takes. */
const fields = {
  prompt: z.string(),
  input: media,
  inputs: z.array(media),
  mask: media,
  invertMask: z.boolean(),
  expand: z.string(),
  known: z.array(
    placed.extend({
      mask: media.optional(),
      invert: z.boolean().optional(),
      gray: z.boolean().optional(),
      depth: media.optional(),
      keep: z.number().gt(0).max(1).optional(),
    }),
  ),
  depth: z.preprocess((given) => (Array.isArray(given) ? given : [given]), z.array(depth)),
  depthIs: z.enum(DEPTH_MEANINGS),
  depthFrom: media,
  reference: media,
  size,
  numFrames: frames,
  window: frames,
  upscale: z.number().min(1),
  tile: size
    .refine(({ width, height }) => width % 16 === 0 && height % 16 === 0, 'must be multiples of 16')
    .nullable(),
  fit: z.enum(FIT_WAYS),
  strict: z.boolean(),
  keepKnown: z.boolean(),
  addedPrompt: z.string(),
  negativePrompt: z.string(),
  seed: z.union([z.int().min(0), z.bigint().min(0n).max(LAST_SEED)]),
  numInferenceSteps: z.int().min(1).max(MOST_STEPS),
  guidanceScale: z.number().min(0),
  guidanceRange: z
    .tuple([part, part])
    .refine(
      ([from, until]) => from > until,
      'must go from a higher to a lower noise level, within 1 to 0',
    ),
  motionScore: z.number().min(0),
  solver: z.enum(['euler', 'dpm++', 'unipc']),
  useTSchedule: z.boolean(),
  cacheThreshold: part,
  noiseAugStrength: part,
  compat: z.object({ cropType: z.enum(CROP_TYPES) }),
  checkMemory: z.boolean(),
  keepFrames: z.boolean(),
  signal: z.instanceof(AbortSignal),
  onProgress: functionOf,
  onPreview: functionOf,
  previewSeconds: z.number().min(0),
  onNote: functionOf,
  onPlan: functionOf,
  rewritePrompt: functionOf,
} satisfies Record<keyof GenerateOptions, z.ZodType>;

const schema = z.object(fields).partial();

function expectOptions({ id }: Task, options: GenerateOptions): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(fields, name)) continue;
    const hint = didYouMean(name, Object.keys(fields));
    throw new InputError(
      `${id}: \`${name}\` is not an option${hint || `; there are ${Object.keys(fields).join(', ')}`}`,
      { field: name },
    );
  }
  if (options.input !== undefined && options.inputs !== undefined) {
    throw new InputError(`${id}: \`input\` and \`inputs\` mean the same; leave one of them out`, {
      field: 'inputs',
    });
  }
  const [issue] = schema.safeParse(options).error?.issues ?? [];
  if (!issue) return;
  const [field] = issue.path;
  throw new InputError(`${id}: \`${issue.path.join('.')}\`: ${issue.message}`, {
    field: String(field),
  });
}
