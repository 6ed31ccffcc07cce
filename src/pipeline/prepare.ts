/** From what a user gives to what is sampled: reading files, fitting sizes and lengths by stated rules. */
import { InputError } from '../errors.js';
import {
  expectMaskFits,
  type Frames,
  type Mask,
  type Media,
  readDepth,
  readGray,
  readImage,
  readMask,
  readMedia,
  resize,
  type Size,
  tensorToFrames,
} from '../media/index.js';
import {
  type Condition,
  conditionOf,
  type DepthEstimator,
  type Given,
  type Target,
  type Task,
  withDepth,
} from '../tasks/index.js';
import { cat, type Tensor, tidy } from '../tensor/index.js';
import { joined, putBack } from './finish.js';
import { expectFrameCount, expectSize, fittingFrames } from './latents.js';
import { type CropType, referencePlan } from './reference.js';
import type { OwnSettings } from './settings.js';

export interface UserRequest {
  prompt: string;
  /** files: pictures, clips, folders of pictures */
  inputs: string[];
  /** file, white where something is to be made; with `compat`, white where something is known */
  mask?: string;
  /** files, one for each input: pictures, clips or folders, white = near; see `readDepth` */
  depth?: string[];
  size?: Size;
  numFrames?: number;
  /** how many times larger super-resolution makes its input; default: 2, with `compat` 4 */
  upscale?: number;
  /** lays inputs out as the reference implementation does */
  compat?: { cropType: CropType };
  /** before memory is taken for it; what it throws ends the job (with `compat` a little later) */
  onFitted?: (fitted: Fitted) => void | Promise<void>;
  signal?: AbortSignal;
}

/** What was read, and the size and length that it is fitted to. */
export type Fitted = Pick<Prepared, 'given' | 'target' | 'notes'>;

export interface Prepared {
  given: Given;
  condition: Condition;
  target: Target;
  /** frames a second of the result */
  fps: number;
  /** what was fitted and how, a line each */
  notes: string[];
  /** made [1, 3, F, H, W] → the result, with what comes from the input */
  finish(made: Tensor): Frames;
}

/** How much larger super-resolution makes a clip, unless a size is asked for. */
const DEFAULT_UPSCALE = 2;
const REFERENCE_UPSCALE = 4;
/** Beyond this many times the trained area a result is announced as doubtful. */
const DOUBTFUL_AREA = 4;

/**
 * Reads and checks everything that a task is given, and lays it out.
 *
 * @param estimateDepth   null: no depth is given to the model
 * @throws InputError naming the option or the file, what is wrong with it, and the remedy
 */
export async function prepare(
  task: Task,
  request: UserRequest,
  settings: OwnSettings,
  estimateDepth: DepthEstimator | null,
): Promise<Prepared> {
  expectParts(task, request);
  const { signal, inputs, compat } = request;
  const notes: string[] = [];
  const media: Media[] = [];
  for (const [i, kind] of task.inputs.entries()) {
    const read = kind === 'image' ? readImage : readMedia;
    const one = await read(inputs[i]!, { signal });
    notes.push(...one.notes);
    if (kind === 'video' && one.numFrames < 2) {
      throw new InputError(
        `${one.path}: ${task.id} needs a clip, got one picture; give a video or a folder of pictures`,
      );
    }
    media.push(one);
  }
  const goesOn = task.result === 'video' && task.inputs.includes('video');
  const fps = (goesOn ? media[0]?.fps : null) ?? settings.fps;
  if (compat) {
    const prepared = await asReference(task, request, media, settings, estimateDepth);
    await request.onFitted?.({ ...prepared, notes });
    return { fps, notes, ...prepared };
  }

  const mask = request.mask === undefined ? null : await readMask(request.mask, { signal });
  if (mask && media[0]) expectMaskFits(mask, media[0]);
  if (mask) noteEmptyMask(mask, notes);
  const target: Target = {
    ...fitSize(task, request, media[0] ?? null, settings, notes),
    numFrames: fitFrames(task, request, media[0] ?? null, settings, notes),
  };
  const fromFiles = task.fromInput({ media, mask }, target.numFrames);
  const given = withDepth(task, fromFiles, media, await readDepths(request));
  await request.onFitted?.({ given, target, notes });
  const condition = conditionOf(given, target, estimateDepth);
  const finish = (made: Tensor) => joined(putBack(made, task, given, condition), given);
  return { given, condition, target, fps, notes, finish };
}

/** The same by the reference's rules; see reference.ts. */
async function asReference(
  task: Task,
  request: UserRequest,
  media: Media[],
  settings: OwnSettings,
  estimateDepth: DepthEstimator | null,
): Promise<Pick<Prepared, 'given' | 'condition' | 'target' | 'finish'>> {
  const { size, numFrames, mask, upscale = REFERENCE_UPSCALE, compat, signal } = request;
  const known = mask === undefined ? null : await readGray(mask, { signal });
  if (known && media[0]) expectMaskFits(known, media[0]);
  const frames = numFrames ?? settings.numFrames;
  // there the size of a prompt's result is taken as it is, and others end in an error
  if (media.length === 0 && size) expectSize('--size', size.width, size.height);
  const plan = referencePlan(
    task,
    {
      media,
      mask: known && repeatedTo(known, media[0]!.numFrames),
      depth: await readDepths(request),
    },
    {
      width: size?.width ?? settings.width,
      height: size?.height ?? settings.height,
      ...{ numFrames: frames, defaultNumFrames: frames, cropType: compat!.cropType, upscale },
    },
    estimateDepth,
  );
  const { given, condition, target, resultSize, before, after } = plan;
  const finish = (made: Tensor) =>
    tidy(() => {
      const sized = resultSize ? resize(made, resultSize, { mode: 'nearest' }) : made;
      const parts = [before, sized, after].filter((part) => part !== null);
      return tensorToFrames(parts.length === 1 ? sized : cat(parts, 2));
    });
  return { given, condition, target, finish };
}

const readDepths = ({ depth = [], signal }: UserRequest) =>
  Promise.all(depth.map((path) => readDepth(path, { signal })));

/** A mask's bytes for every frame; one frame holds for all. */
function repeatedTo({ data, numFrames }: Mask, count: number): Uint8Array {
  if (numFrames > 1) return data;
  return Buffer.concat(new Array<Uint8Array>(count).fill(data));
}

/** Is everything there that the task needs, and nothing that it has no use for? */
export function expectParts(task: Task, { prompt, inputs, mask, numFrames }: UserRequest): void {
  const wanted = task.inputs.length;
  const kind = task.inputs[0] === 'image' ? 'an image' : 'a clip';
  if (wanted === 0 && prompt.trim() === '') {
    throw new InputError(`${task.id}: needs a prompt; give one with -p "a red cube"`);
  }
  if (inputs.length < wanted) {
    const what =
      wanted === 1
        ? `${kind}; give one with -i FILE`
        : `two ${task.inputs[0] === 'image' ? 'images' : 'clips'}; give them with -i FILE -i FILE`;
    throw new InputError(`${task.id}: needs ${what}`);
  }
  if (inputs.length > wanted) {
    const takes = ['takes no input', 'takes one input', 'takes two inputs'][wanted];
    throw new InputError(`${task.id}: ${takes}, got ${inputs.length}; leave out ${inputs.at(-1)}`);
  }
  if (task.mask !== 'none' && mask === undefined) {
    throw new InputError(
      `${task.id}: needs a mask, white where something is to be made; give one with --mask FILE`,
    );
  }
  if (task.mask === 'none' && mask !== undefined) {
    const other = task.result === 'image' ? 'iinp' : 'vinp';
    throw new InputError(`${task.id}: takes no mask; leave out --mask, or use ${other}`);
  }
  if (task.result === 'image' && numFrames !== undefined && numFrames !== 1) {
    throw new InputError(`${task.id}: makes an image; leave out --frames`);
  }
}

function noteEmptyMask({ path, data }: Mask, notes: string[]): void {
  if (!data.includes(1)) {
    throw new InputError(
      `${path}: has no white part, so there is nothing to fill; paint the part to be made white`,
    );
  }
  if (!data.includes(0)) notes.push(`${path}: is all white: everything is made anew`);
}

function fitSize(
  task: Task,
  { size, upscale = DEFAULT_UPSCALE }: UserRequest,
  media: Media | null,
  settings: OwnSettings,
  notes: string[],
): { width: number; height: number } {
  if (size) {
    expectSize('--size', size.width, size.height);
    noteDoubt(size, settings, notes);
    return size;
  }
  if (!media || task.size === 'pipeline') return { width: settings.width, height: settings.height };
  const scale = {
    pipeline: 1,
    'shape of input': Math.sqrt((settings.width * settings.height) / (media.width * media.height)),
    input: 1,
    larger: upscale,
  }[task.size];
  const fitted = { width: to16(media.width * scale), height: to16(media.height * scale) };
  notes.push(
    `${media.path}: ${media.width}x${media.height} becomes ${fitted.width}x${fitted.height} (multiples of 16; --size WxH asks for another)`,
  );
  noteDoubt(fitted, settings, notes);
  return fitted;
}

const to16 = (side: number) => Math.max(16, Math.round(side / 16) * 16);

function noteDoubt(
  { width, height }: { width: number; height: number },
  settings: OwnSettings,
  notes: string[],
): void {
  if (width * height > DOUBTFUL_AREA * settings.width * settings.height) {
    notes.push(
      `${width}x${height} is far above the ${settings.width}x${settings.height} that this pipeline was trained on: expect less of it`,
    );
  }
}

function fitFrames(
  task: Task,
  { numFrames }: UserRequest,
  media: Media | null,
  settings: OwnSettings,
  notes: string[],
): number {
  if (task.result === 'image') return 1;
  if (numFrames !== undefined) expectFrameCount('--frames', numFrames);
  if (!task.followsInput || !media) return numFrames ?? settings.numFrames;
  if (numFrames !== undefined && numFrames > media.numFrames) {
    throw new InputError(
      `--frames: ${media.path} has ${media.numFrames} frames, got ${numFrames}; ${fittingFrames(media.numFrames)} is the most`,
    );
  }
  const fitted = numFrames ?? Math.min(settings.numFrames, fittingFrames(media.numFrames));
  if (fitted !== media.numFrames) {
    notes.push(
      `${media.path}: the first ${fitted} of ${media.numFrames} frames are used (4k + 1; --frames N asks for another number)`,
    );
  }
  return fitted;
}
