/** What a user asks for, and whether everything is there. */
import { InputError } from '../../errors.js';
import {
  type FitWay,
  type MaskSource,
  type MediaSource,
  type Size,
  sourceName,
} from '../../media/index.js';
import type { InputKind, Task } from '../../tasks/index.js';
import type { OnNote } from './notes.js';

export interface UserRequest {
  prompt: string;
  /** files: pictures, clips, folders of pictures, depth maps, as the task takes them */
  inputs: readonly MediaSource[];
  /** where something is to be made; with `compat` a file, white where something is known */
  mask?: MaskSource;
  /** what was to be made is kept, and the other way round */
  invertMask?: boolean;
  /** how far the picture is to grow, in place of a mask; see `parseExpand` */
  expand?: string;
  /** files, one for each input: pictures, clips or folders, white = near; see `readDepth` */
  depth?: readonly MediaSource[];
  /** colourisation: a picture whose palette the result gets */
  reference?: MediaSource;
  size?: Size;
  numFrames?: number;
  /** how many times larger super-resolution makes its input; default: 2, with `compat` 4 */
  upscale?: number;
  /** what of an input is cut off where its shape is not the result's; default: crop */
  fit?: FitWay;
  /** refuses where something would have to be fitted */
  strict?: boolean;
  /** what the input shows is put back into the result; default: true */
  keepKnown?: boolean;
  /** frames that are made at once, 4k + 1; default: as many as the pipeline was trained on */
  window?: number;
  /** super-resolution: size of what is made at once; null: all of it; default: the trained size */
  tile?: Size | null;
  /** lays inputs out as the reference implementation does */
  compat?: { cropType: CropType };
  /** is given what was fitted, cut off or found in files, a sentence each, as it shows */
  onNote?: OnNote;
  signal?: AbortSignal;
}

const NAMES: Record<InputKind, [one: string, two: string]> = {
  image: ['an image', 'two images'],
  video: ['a clip', 'two clips'],
  depth: ['a depth clip', 'two depth clips'],
};

/** Is everything there that the task needs, and nothing that it has no use for? */
export function expectParts(task: Task, request: UserRequest): void {
  const { id, inputs: wanted, optionalInputs } = task;
  const { prompt, inputs } = request;
  if (wanted.length === 0 && prompt.trim() === '') {
    throw new InputError(`${id}: needs a prompt; give one with \`prompt: 'a red cube'\``, {
      field: 'prompt',
    });
  }
  if (task.prompt === 'instruction' && prompt.trim() === '') {
    throw new InputError(
      `${id}: needs to be told what to change; say it with \`prompt: 'turn the red cube blue'\``,
      { field: 'prompt' },
    );
  }
  if (inputs.length < wanted.length) {
    const what =
      wanted.length === 1
        ? `${NAMES[wanted[0]!][0]}; give one with \`inputs: [FILE]\``
        : `${NAMES[wanted[0]!][1]}; give them with \`inputs: [FILE, FILE]\``;
    throw new InputError(`${id}: needs ${what}`, { field: 'inputs' });
  }
  const most = wanted.length + optionalInputs.length;
  if (inputs.length > most) {
    const takes = ['takes no input', 'takes one input', 'takes two inputs'][most];
    throw new InputError(
      `${id}: ${takes}, got ${inputs.length}; leave out ${sourceName(inputs.at(-1)!)}`,
      { field: 'inputs' },
    );
  }
  expectMaskParts(task, request);
  if (task.result === 'image' && request.numFrames !== undefined && request.numFrames !== 1) {
    throw new InputError(`${id}: makes an image; leave out \`numFrames\``, { field: 'numFrames' });
  }
  if (request.reference !== undefined && task.keeps !== 'brightness') {
    throw new InputError(`${id}: takes no reference picture; leave out \`reference\``, {
      field: 'reference',
    });
  }
  if (task.result === 'image' && request.window !== undefined) {
    throw new InputError(`${id}: makes an image; leave out \`window\``, { field: 'window' });
  }
  if (request.tile && task.size !== 'larger') {
    throw new InputError(`${id}: is not made in tiles; leave out \`tile\`, or use isr or vsr`, {
      field: 'tile',
    });
  }
  if (request.upscale !== undefined && task.size !== 'larger' && !request.compat) {
    throw new InputError(`${id}: makes nothing larger; leave out \`upscale\`, or use isr or vsr`, {
      field: 'upscale',
    });
  }
}

function expectMaskParts(
  { id, mask: takes, result }: Task,
  { mask, expand, invertMask }: UserRequest,
): void {
  const [inpainting, outpainting] = result === 'image' ? ['iinp', 'ioutp'] : ['vinp', 'voutp'];
  if (takes === 'none') {
    if (mask)
      throw new InputError(`${id}: takes no mask; leave out \`mask\`, or use ${inpainting}`, {
        field: 'mask',
      });
    if (expand !== undefined) {
      throw new InputError(
        `${id}: does not go beyond its input; leave out \`expand\`, or use ${outpainting}`,
        { field: 'expand' },
      );
    }
  }
  if (takes === 'hole' && expand !== undefined) {
    throw new InputError(
      `${id}: fills a hole within its input; use ${outpainting} with \`expand\`, or leave it out`,
      { field: 'expand' },
    );
  }
  if (mask && expand !== undefined) {
    throw new InputError(
      '`expand`: says already where something is to be made; leave out the mask',
      { field: 'expand' },
    );
  }
  if (takes === 'hole' && !mask) {
    throw new InputError(
      `${id}: needs a mask, white where something is to be made; give one with \`mask: FILE\`, \`mask: { box }\`, \`mask: { colour }\` or \`mask: { alpha: true }\``,
      { field: 'mask' },
    );
  }
  if (takes === 'margins' && !mask && expand === undefined) {
    throw new InputError(
      `${id}: needs to know how far; say it with \`expand: 0.25\`, or give a mask, white where something is to be made, with \`mask: FILE\``,
      { field: 'expand' },
    );
  }
  if (invertMask && !mask) {
    throw new InputError('`invertMask`: there is no mask to turn round; give one or leave it out', {
      field: 'invertMask',
    });
  }
}

/** How an input is brought to the size asked for. */
export const CROP_TYPES = ['keep_ratio', 'keep_ratio_h', 'keep_res'] as const;

export type CropType = (typeof CROP_TYPES)[number];
