/** User-defined tasks: checks a declaration as soon as it is made, and fills in the defaults. */
import { z } from 'zod';
import { listProblems } from '../check-config.js';
import { InputError } from '../errors.js';
import { didYouMean } from '../suggest.js';
import { TASK_IDS } from './table.js';
import type { Needs, Task } from './task.js';

/** Defaults, which most tasks share: a declaration names only what differs. */
const USUAL = {
  inputs: [],
  optionalInputs: [],
  placed: false,
  mask: 'none',
  size: 'input',
  followsInput: true,
  needs: {},
  weight: 1,
  prompt: 'caption',
  keeps: 'nothing',
  windows: 'cross-faded',
} as const satisfies Partial<Task>;

/** A task; fields that have their default may be left out. See `Task` for what each field means. */
export type TaskDeclaration = Omit<Task, keyof typeof USUAL> & Partial<Task>;

const kinds = z.array(z.enum(['image', 'video', 'depth']));
const flag = z.literal(true).optional();
const phrase = z.string().min(1, 'must not be empty');
const method = (name: string, signature: string) =>
  z.custom<(...given: never[]) => unknown>(
    (value) => typeof value === 'function',
    `is missing: the function ${name}${signature} returns the condition inputs`,
  );

const NeedsSchema = z.strictObject({
  frames: z.int().positive().optional(),
  captionWords: z.int().positive().optional(),
  clean: flag,
  large: flag,
  sharp: flag,
  colourful: flag,
  moves: flag,
  depth: flag,
  edit: flag,
} satisfies Record<keyof Needs, z.ZodType>);

const Declaration = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z][\w-]{0,39}$/, 'must be a letter, then up to 39 letters, digits, - and _')
    .refine((id) => !(TASK_IDS as readonly string[]).includes(id), {
      error: ({ input }) => `there already is a task "${input}"; choose another id`,
    }),
  summary: phrase,
  promptTag: phrase,
  result: z.enum(['image', 'video']),
  inputs: kinds,
  optionalInputs: kinds,
  placed: z.boolean(),
  mask: z.enum(['none', 'hole', 'margins']),
  size: z.enum(['pipeline', 'shape of input', 'input', 'larger']),
  followsInput: z.boolean(),
  needs: NeedsSchema,
  weight: z.number().positive(),
  prompt: z.enum(['caption', 'instruction']),
  fromSample: method('fromSample', '(sample, random)'),
  fromInput: method('fromInput', '(input, numFrames)'),
  keeps: z.enum(['nothing', 'known pixels', 'coarse picture', 'brightness', 'each part']),
  windows: z.enum(['goes on', 'filled', 'first frame', 'cross-faded']),
} satisfies Record<keyof Task, z.ZodType>);

/**
 * Defines a task of your own; pass it to `train`, or name the file that exports it (`--tasks FILE`).
 *
 * Fields that are left out have these defaults: no inputs and no mask, the input's size and length,
 * weight 1, trained with captions, nothing put back into the result, windows cross-faded.
 *
 * @throws InputError naming every field that is missing, unknown, or has a wrong value
 */
export function defineTask(declaration: TaskDeclaration): Task {
  expectTask({ ...USUAL, ...declaration }, 'defineTask');
  return { ...USUAL, ...declaration };
}

/**
 * @param where   begins the message
 * @throws InputError unless all fields are present and consistent
 */
export function expectTask(value: unknown, where: string): asserts value is Task {
  const name = (value as Partial<Task> | null)?.id;
  const place = typeof name === 'string' && name !== '' ? `${where}: task "${name}"` : where;
  const parsed = Declaration.safeParse(value);
  const problems = parsed.success
    ? misfits(value as Task)
    : parsed.error.issues.flatMap((issue) =>
        issue.code === 'unrecognized_keys'
          ? issue.keys.map((key) => unknownField([...issue.path, key]))
          : [`${issue.path.join('.')}: ${issue.message}`],
      );
  if (problems.length === 0) return;
  throw new InputError(
    problems.length === 1 ? `${place}: ${problems[0]}` : listProblems(place, problems),
  );
}

function unknownField(path: readonly PropertyKey[]): string {
  const known = path.length > 1 ? NeedsSchema : Declaration;
  const hint = didYouMean(String(path.at(-1)), Object.keys(known.shape));
  return `${path.join('.')}: unknown field${hint}`;
}

/** Problems with fields that contradict each other. */
function misfits(task: Task): string[] {
  const { inputs, placed, size, followsInput, mask, keeps, needs, prompt } = task;
  const problems: string[] = [];
  const without = 'which a task without inputs does not have';
  if (placed) {
    if (inputs.length > 0) problems.push('inputs: a task that is placed has none; leave them out');
    if (followsInput) problems.push('followsInput: takes the length of an input, not of parts');
    if (mask !== 'none') problems.push('mask: the parts of a task that is placed have their own');
  } else if (inputs.length === 0) {
    if (size !== 'pipeline') problems.push(`size: "${size}" is taken from an input, ${without}`);
    if (followsInput) problems.push(`followsInput: takes the length of an input, ${without}`);
    if (mask !== 'none') problems.push(`mask: "${mask}" is part of an input, ${without}`);
    if (keeps !== 'nothing') problems.push(`keeps: "${keeps}" is taken from an input, ${without}`);
  }
  if (inputs.filter((kind) => kind === 'depth').length > 1) {
    problems.push('inputs: can contain depth only once');
  }
  if (prompt === 'instruction' && !needs.edit) {
    problems.push('prompt: "instruction" needs samples with an edit; add needs: { edit: true }');
  }
  return problems;
}
