/** A user's request, and the check that it is complete. */
import { InputError } from '../../errors.js';
import {
  type DepthMeaning,
  type FitWay,
  type MaskSource,
  type MediaSource,
  type Size,
  sourceName,
} from '../../media/index.js';
import { type DepthEstimator, hasCondition, type InputKind, type Task } from '../../tasks/index.js';
import type { OnNote } from './notes.js';
import { type DepthPart, hasPlace, type KnownPart } from './placed.js';

export interface UserRequest {
  prompt: string;
  /** pictures, clips, folders of pictures or depth maps, in the order in which the task takes them */
  inputs: readonly MediaSource[];
  /** the part to generate; with `compat` a file that is white where pixels are known instead */
  mask?: MaskSource;
  /** swaps the part to generate and the part to keep */
  invertMask?: boolean;
  /** how far to extend the picture, instead of a mask; see `parseExpand` */
  expand?: string;
  /**
   * depth maps, one for each input: pictures, clips or folders, white = near; see `readDepth`. For
   * tasks that are `placed`, that of the frames at a place; without one, of all frames
   */
  depth?: readonly (MediaSource | DepthPart)[];
  /** what the values of depth files mean; default: white, or a larger value, is near */
  depthIs?: DepthMeaning;
  /** instead of a depth input: a clip or picture whose depth is estimated */
  depthFrom?: MediaSource;
  /** the depth model, if there is one */
  estimateDepth?: DepthEstimator | null;
  /** for tasks that are `placed`: what is known, and where */
  known?: readonly KnownPart[];
  /** colourisation: a picture whose palette the result takes */
  reference?: MediaSource;
  size?: Size;
  numFrames?: number;
  /** super-resolution: factor by which the input is enlarged; default: 2, with `compat` 4 */
  upscale?: number;
  /** how an input of another shape than the result is fitted; default: crop */
  fit?: FitWay;
  /** fail instead of fitting anything */
  strict?: boolean;
  /** put the known pixels of the input back into the result; default: true */
  keepKnown?: boolean;
  /** frames per window, 4k + 1; default: as many as the pipeline was trained on */
  window?: number;
  /** super-resolution: tile size; null: no tiles; default: the size the pipeline was trained on */
  tile?: Size | null;
  /** lays inputs out as the reference implementation does */
  compat?: { cropType: CropType };
  /** receives a sentence for everything that was fitted, cut off or found in files, as it happens */
  onNote?: OnNote;
  signal?: AbortSignal;
}

const NAMES: Record<InputKind, [one: string, two: string]> = {
  image: ['an image', 'two images'],
  video: ['a clip', 'two clips'],
  depth: ['a depth clip', 'two depth clips'],
};

/**
 * The request with the clip whose depth is estimated in the place of the depth input.
 * @throws InputError if the task takes no such input, or if its depth is given as well
 */
export function withDepthFrom<T extends UserRequest>({ id, inputs }: Task, request: T): T {
  const { depthFrom, depth } = request;
  if (depthFrom === undefined) return request;
  if (inputs[0] !== 'depth') {
    const other = inputs[0] === 'video' ? 'give the clip with `inputs: [FILE]`' : 'leave it out';
    throw new InputError(`\`depthFrom\`: ${id} takes no depth as its input; ${other}`);
  }
  if (depth) {
    throw new InputError(
      '`depthFrom`: estimates the depth that `depth` gives; leave one of them out',
    );
  }
  return { ...request, inputs: [depthFrom, ...request.inputs] };
}

/** @throws InputError unless the request has everything that the task needs, and nothing it cannot use */
export function expectParts(task: Task, request: UserRequest): void {
  const { id, inputs: wanted, optionalInputs } = task;
  const { prompt, inputs } = request;
  expectPlaced(task, request);
  if (!hasCondition(task) && prompt.trim() === '') {
    throw new InputError(`${id}: needs a prompt; give one with \`prompt: 'a red cube'\``, {
      field: 'prompt',
    });
  }
  if (task.prompt === 'instruction' && prompt.trim() === '') {
    throw new InputError(
      `${id}: needs an instruction that says what to change; give one with \`prompt: 'turn the red cube blue'\``,
      { field: 'prompt' },
    );
  }
  if (inputs.length < wanted.length) {
    const what =
      wanted.length === 1
        ? `${NAMES[wanted[0]!][0]}; give one with \`inputs: [FILE]\`${wanted[0] === 'depth' ? ', or a clip whose depth is estimated with `depthFrom: FILE`' : ''}`
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
  const ofInput = (['fit', 'keepKnown'] as const).find((name) => request[name] !== undefined);
  if (ofInput && !hasCondition(task)) {
    throw new InputError(`${id}: takes no input; leave out \`${ofInput}\``, { field: ofInput });
  }
  expectMaskParts(task, request);
  const hasDepthFile =
    request.depth !== undefined ||
    (request.known ?? []).some(({ depth }) => depth !== undefined) ||
    (wanted.includes('depth') && request.depthFrom === undefined);
  if (request.depthIs && !hasDepthFile) {
    throw new InputError(
      '`depthIs`: there is no depth file; give one with `depth`, or leave it out',
      {
        field: 'depthIs',
      },
    );
  }
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
    throw new InputError(`${id}: does not work in tiles; leave out \`tile\`, or use isr or vsr`, {
      field: 'tile',
    });
  }
  if (request.upscale !== undefined && task.size !== 'larger' && !request.compat) {
    throw new InputError(
      `${id}: does not enlarge its input; leave out \`upscale\`, or use isr or vsr`,
      {
        field: 'upscale',
      },
    );
  }
}

/** @throws InputError for parts with places without a task that takes them, or such a task without */
function expectPlaced(
  { id, placed }: Task,
  { known = [], depth = [], inputs, mask, expand, compat }: UserRequest,
): void {
  if (!placed) {
    if (known.length > 0) {
      throw new InputError(
        `${id}: takes no parts at places; give its input with \`inputs\`, or use any`,
        { field: 'known' },
      );
    }
    if (depth.some(hasPlace)) {
      throw new InputError(`${id}: takes depth without a place; leave the place out, or use any`, {
        field: 'depth',
      });
    }
    return;
  }
  if (compat) throw new InputError(`${id}: is not a task of the reference; leave out \`compat\``);
  if (inputs.length > 0) {
    throw new InputError(
      `${id}: takes no input without a place; give ${sourceName(inputs[0]!)} with \`known: [{ media, at }]\``,
      { field: 'inputs' },
    );
  }
  if (mask || expand !== undefined) {
    throw new InputError(
      `${id}: takes a mask with the part that it belongs to, as in \`known: [{ media, at, mask }]\``,
      { field: mask ? 'mask' : 'expand' },
    );
  }
  if (known.length + depth.length === 0) {
    throw new InputError(
      `${id}: needs something that is known; give it with \`known: [{ media, at }]\` or \`depth: [{ media, at }]\`, or use t2v, which needs a prompt alone`,
      { field: 'known' },
    );
  }
}

/** Does the request bring depth of known frames? */
export const givesKnownDepth = (
  { placed }: Pick<Task, 'placed'>,
  { depth, known = [] }: Pick<UserRequest, 'depth' | 'known'>,
): boolean => (placed ? known.some((part) => part.depth !== undefined) : depth !== undefined);

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
    throw new InputError('`expand`: already says which part to generate; leave out the mask', {
      field: 'expand',
    });
  }
  if (takes === 'hole' && !mask) {
    throw new InputError(
      `${id}: needs a mask that is white in the part to generate; give one with \`mask: FILE\`, \`mask: { box }\`, \`mask: { colour }\` or \`mask: { alpha: true }\``,
      { field: 'mask' },
    );
  }
  if (takes === 'margins' && !mask && expand === undefined) {
    throw new InputError(
      `${id}: needs to know how far to extend its input; say so with \`expand: 0.25\`, or give a mask that is white in the part to generate, with \`mask: FILE\``,
      { field: 'expand' },
    );
  }
  if (invertMask && !mask) {
    throw new InputError('`invertMask`: there is no mask to invert; give one, or leave it out', {
      field: 'invertMask',
    });
  }
}

/** How the reference implementation brings an input to the requested size. */
export const CROP_TYPES = ['keep_ratio', 'keep_ratio_h', 'keep_res'] as const;

export type CropType = (typeof CROP_TYPES)[number];
