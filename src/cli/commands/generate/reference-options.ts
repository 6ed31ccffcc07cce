/**
 * The reference implementation's options, for those who know its command line, and what they mean
 * here. Plain synonyms are aliases in options.ts. docs/reference.md lists them all.
 */
import { existsSync } from 'node:fs';
import { InputError } from '../../../errors.js';
import type { Size } from '../../../media/frames.js';

/** The tasks of the reference. */
const REFERENCE_TASKS = [
  ...(['t2i', 't2v', 'i2v', 'vexd', 'itrans', 'vtrans', 'isr', 'vsr'] as const),
  ...(['icolor', 'vcolor', 'iinp', 'vinp', 'ioutp', 'voutp', 'vedit'] as const),
];
type ReferenceTask = (typeof REFERENCE_TASKS)[number];

/** `--t2v-inputs a.txt b.txt`, and the same option for every other task. */
type ListOptions = Record<
  `${ReferenceTask}Inputs`,
  { kind: 'text'; repeat: true; many: true; hidden: true; describe: string }
>;

export const listOptions = Object.fromEntries(
  REFERENCE_TASKS.map((id) => [
    `${id}Inputs`,
    { kind: 'text', repeat: true, many: true, hidden: true, describe: `--batch, for ${id} only` },
  ]),
) as ListOptions;

export const referenceOptions = {
  ...listOptions,
  mixedPrecision: {
    kind: 'text',
    choices: ['bf16', 'fp16', 'no'],
    hidden: true,
    describe: "--dtype, by the reference's name",
  },
} as const;

/** A size given as `--height` and `--width`; a row of a list may have them too. */
export const sideOptions = {
  height: { kind: 'integer', min: 1, hidden: true, describe: '--size, one side of it' },
  width: { kind: 'integer', min: 1, hidden: true, describe: '--size, one side of it' },
} as const;

interface Sides {
  size?: Size;
  height?: number;
  width?: number;
}

/** The size, however it was given. @param where  '' for the command line, else `list.csv:3: ` */
export function sizeOf({ size, height, width }: Sides, where = ''): Size | undefined {
  if (height === undefined && width === undefined) return size;
  const [given, missing] = width === undefined ? ['height', 'width'] : ['width', 'height'];
  if (size) {
    throw new InputError(
      `${where}--${given}: the size is already given by --size; leave one of them out`,
    );
  }
  if (height === undefined || width === undefined) {
    throw new InputError(`${where}--${given}: needs --${missing} too; or give both as --size WxH`);
  }
  return { width, height };
}

/** The dtype, however it was given. @throws InputError for fp16, or if both options disagree */
export function dtypeOf<D extends string>(
  dtype: D | 'auto',
  mixedPrecision: 'bf16' | 'fp16' | 'no' | undefined,
): D | 'auto' | 'bfloat16' | 'float32' {
  if (mixedPrecision === undefined) return dtype;
  if (mixedPrecision === 'fp16') {
    throw new InputError(
      '--mixed-precision: fp16 is not supported, as its range is too small for these networks; use bf16, or "no" for float32',
    );
  }
  const meant = mixedPrecision === 'bf16' ? 'bfloat16' : 'float32';
  if (dtype !== 'auto' && dtype !== meant) {
    throw new InputError(
      `--mixed-precision: ${mixedPrecision} is ${meant}, but --dtype says ${dtype}; leave one of them out`,
    );
  }
  return meant;
}

/** The paths of all lists of jobs. @throws InputError for a list of another task */
export function listsOf(
  task: string,
  options: { batch: string[] } & Record<`${ReferenceTask}Inputs`, string[]>,
): string[] {
  for (const id of REFERENCE_TASKS) {
    if (id !== task && options[`${id}Inputs`].length > 0) {
      throw new InputError(
        `--${id}-inputs: belongs to ${id}, but the task is ${task}; use --${task}-inputs or --batch`,
      );
    }
  }
  const own = REFERENCE_TASKS.find((id) => id === task);
  return [...options.batch, ...(own ? options[`${own}Inputs`] : [])];
}

/** Splits `a.png;b.png`, the reference's way to name two inputs, unless a file has that name. */
export function filesOf(input: string): string[] {
  return input.includes(';') && !existsSync(input) ? input.split(';').filter(Boolean) : [input];
}
