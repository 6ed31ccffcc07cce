/** Prepares a user's input by the reference's rules, from files to a condition; see layout.ts. */

import { InputError } from '../../../errors.js';
import {
  type Frames,
  type Media,
  readDepth,
  readGray,
  readImage,
  readMedia,
  resize,
  type Size,
  tensorToFrames,
} from '../../../media/index.js';
import { expectSize } from '../../../models/latent-grid.js';
import type {
  Condition,
  ConditionInputs,
  DepthEstimator,
  Target,
  Task,
} from '../../../tasks/index.js';
import { cat, type Tensor, tidy } from '../../../tensor/index.js';
import type { OwnSettings } from '../../settings.js';
import { noClip } from '../inputs.js';
import { bare } from '../placed.js';
import type { UserRequest } from '../request.js';
import { referencePlan } from './layout.js';

const REFERENCE_UPSCALE = 4;

export interface ReferencePrepared {
  given: ConditionInputs;
  condition: Condition;
  target: Target;
  /** null: the same as the target's */
  resultSize: Size | null;
  fps: number;
  /** generated [1, 3, F, H, W] → the result, with the input's frames before and after */
  finish(made: Tensor): Frames;
}

/** @throws InputError naming the option or the file, what is wrong with it, and the remedy */
export async function prepareAsReference(
  task: Task,
  request: UserRequest,
  settings: OwnSettings,
  estimateDepth: DepthEstimator | null,
): Promise<ReferencePrepared> {
  expectNoOthers(task, request);
  const { size, numFrames, mask, upscale = REFERENCE_UPSCALE, compat, signal } = request;
  const media: Media[] = [];
  for (const [i, kind] of task.inputs.entries()) {
    const one = await (kind === 'image' ? readImage : readMedia)(request.inputs[i]!, { signal });
    if (kind === 'video' && one.numFrames < 2) throw await noClip(task, request.inputs[i]!, true);
    media.push(one);
  }
  const notes: string[] = [];
  const known = mask && 'file' in mask ? await readGray(mask.file, { signal, notes }) : null;
  const frames = numFrames ?? settings.numFrames;
  // the reference takes the size as it is when only a prompt is given, and fails for unfit ones
  if (media.length === 0 && size) expectSize('`size`', size.width, size.height);
  const { depthIs } = request;
  const depths = (request.depth ?? []).map((one) =>
    readDepth(bare(one), { is: depthIs, signal, notes }),
  );
  const plan = referencePlan(
    task,
    {
      media,
      mask: known,
      depth: await Promise.all(depths),
    },
    {
      width: size?.width ?? settings.width,
      height: size?.height ?? settings.height,
      numFrames: frames,
      defaultNumFrames: frames,
      cropType: compat!.cropType,
      upscale,
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
  for (const note of [...media.flatMap((one) => one.notes), ...notes]) request.onNote?.(note);
  const goesOn = task.result === 'video' && task.inputs.includes('video');
  return {
    given,
    condition,
    target,
    resultSize,
    finish,
    fps: (goesOn ? media[0]?.fps : null) ?? settings.fps,
  };
}

/** The reference has fifteen tasks, and no options for masks, sizes and windows. */
function expectNoOthers({ id, inputs, optionalInputs }: Task, request: UserRequest): void {
  if (inputs.includes('depth') || optionalInputs.length > 0 || id === 'iedit') {
    throw new InputError(`${id}: is not a task of the reference; leave out \`compat\``);
  }
  const { mask, invertMask, expand, reference, fit, window, tile, strict, keepKnown } = request;
  const own = {
    '`mask: { box }`, `mask: { colour }` and `mask: { alpha: true }`': mask && !('file' in mask),
    '`invertMask`': invertMask,
    '`expand`': expand !== undefined,
    '`reference`': reference !== undefined,
    '`fit`': fit !== undefined,
    '`window`': window !== undefined,
    '`tile`': tile !== undefined,
    '`strict`': strict,
    '`keepKnown: false`': keepKnown === false,
  };
  for (const [name, isGiven] of Object.entries(own)) {
    if (isGiven)
      throw new InputError(`${name}: mean nothing with \`compat\`; leave one of them out`);
  }
}
