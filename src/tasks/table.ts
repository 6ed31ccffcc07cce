/**
 * The tasks. To add one, add a declaration here: training, generation, evaluation and help all read
 * this table. docs/tasks.md explains how, with an example.
 */
import type { RandomStream } from '../data/random.js';
import type { Sample } from '../data/sources/sample.js';
import { InputError } from '../errors.js';
import { resizeDepth } from '../media/depth/resize-depth.js';
import { didYouMean } from '../suggest.js';
import { given, NOTHING } from './condition-inputs.js';
import { degrade, drawBorder, drawHole } from './degrade.js';
import { drawMixture } from './mixture.js';
import {
  cut,
  cutDepth,
  cutMask,
  ends,
  everyFrame,
  first,
  firstOf,
  last,
  lastOf,
  shapeOnly,
  without,
} from './parts.js';
import type { Task, UserInput } from './task.js';

/** Known frames where a clip is continued. Source: reference implementation */
const JOINT = 8;

/**
 * Known frames at each end of a transition: a quarter of the clip, so that as much is left to
 * generate as is known; at least two, since one shows no motion, and at most as many as the
 * reference has of its 97.
 */
export const jointOf = (numFrames: number): number =>
  Math.min(JOINT, Math.max(2, Math.floor(numFrames / 4)));

/** Weight of the text-only and image-to-video tasks. Source: the paper, 3.3 */
const OFTEN = 3;

/** Fewest words of a useful caption: a new subject may be named by two, such as "sks dog". */
const FEW_WORDS = 2;

// parts that several declarations share

const usual = {
  optionalInputs: [],
  placed: false,
  mask: 'none',
  weight: 1,
  prompt: 'caption',
  keeps: 'nothing',
} as const;

const fromPrompt = {
  ...usual,
  inputs: [],
  size: 'pipeline',
  followsInput: false,
  windows: 'goes on',
  needs: { captionWords: FEW_WORDS, clean: true, large: true },
  weight: OFTEN,
  fromSample: () => NOTHING,
  fromInput: () => NOTHING,
} as const;

/** One or both ends of a clip are given, the rest is generated. */
const fromEnds = {
  ...usual,
  result: 'video',
  size: 'shape of input',
  followsInput: false,
  windows: 'goes on',
} as const;

/** Every frame of the result is given in some form. */
const fromWhole = { ...usual, size: 'input', followsInput: true, windows: 'cross-faded' } as const;

const larger = {
  ...fromWhole,
  size: 'larger',
  keeps: 'coarse picture',
  needs: { large: true, sharp: true },
  fromSample: ({ clip, depth }: Sample, random: RandomStream) => {
    const small = degrade(clip, random);
    return everyFrame(small, { depth: depth && resizeDepth(depth, small) });
  },
  fromInput: ({ media: [media] }: UserInput, numFrames: number) =>
    everyFrame(cut(media!, numFrames)),
} as const;

const gray = {
  ...fromWhole,
  keeps: 'brightness',
  needs: { captionWords: 1, colourful: true },
  fromSample: ({ clip, depth }: Sample) => everyFrame(clip, { gray: true, depth }),
  fromInput: ({ media: [media] }: UserInput, numFrames: number) =>
    everyFrame(cut(media!, numFrames), { gray: true }),
} as const;

const masked = {
  ...fromWhole,
  keeps: 'known pixels',
  windows: 'filled',
  needs: { clean: true },
  fromInput: ({ media: [media], mask }: UserInput, numFrames: number) =>
    everyFrame(cut(media!, numFrames), { hole: mask && cutMask(mask, numFrames) }),
} as const;

const filled = {
  ...masked,
  mask: 'hole',
  fromSample: ({ clip, depth }: Sample, random: RandomStream) =>
    everyFrame(clip, { hole: drawHole(clip, random), depth }),
} as const;

const widened = {
  ...masked,
  mask: 'margins',
  fromSample: ({ clip, depth }: Sample, random: RandomStream) =>
    everyFrame(clip, { hole: drawBorder(clip, random), depth }),
} as const;

const edited = {
  ...fromWhole,
  needs: { edit: true },
  prompt: 'instruction',
  fromSample: ({ edit }: Sample) => everyFrame(edit!.source, { depth: edit!.sourceDepth }),
  fromInput: ({ media: [media] }: UserInput, numFrames: number) =>
    everyFrame(cut(media!, numFrames)),
} as const;

/** The shape and motion of the whole clip are given, and optionally its first frame. */
const shaped = {
  ...fromWhole,
  result: 'video',
  optionalInputs: ['image'],
  windows: 'first frame',
  needs: { captionWords: FEW_WORDS, clean: true, depth: true },
} as const;

/** Share of such a task's samples that come with their first frame. */
const FIRST_FRAME_SHARE = 0.5;

export const TASKS = {
  t2i: {
    ...fromPrompt,
    id: 't2i',
    summary: 'an image from a prompt',
    promptTag: 'text-to-image',
    result: 'image',
  },
  t2v: {
    ...fromPrompt,
    id: 't2v',
    summary: 'a clip from a prompt',
    promptTag: 'text-to-video',
    result: 'video',
    needs: { ...fromPrompt.needs, frames: 5, moves: true },
  },
  i2v: {
    ...fromEnds,
    id: 'i2v',
    summary: 'a clip that begins with your image',
    promptTag: 'image-to-video',
    inputs: ['image'],
    needs: { frames: 5, captionWords: 1, moves: true },
    weight: OFTEN,
    fromSample: (sample) => ends(firstOf(sample, 1), null, sample.clip.numFrames),
    fromInput: ({ media: [image] }, numFrames) =>
      ends({ frames: first(image!, 1) }, null, numFrames),
  },
  vexd: {
    ...fromEnds,
    id: 'vexd',
    summary: 'your clip, continued',
    promptTag: 'video extending',
    keeps: 'known pixels',
    inputs: ['video'],
    needs: { frames: JOINT + 5, moves: true },
    fromSample: (sample) => ends(firstOf(sample, JOINT), null, sample.clip.numFrames),
    fromInput: ({ media: [clip], joints: [joint = JOINT] = [] }, numFrames) => ({
      ...ends({ frames: last(clip!, joint) }, null, numFrames),
      before: without(clip!, 'last', joint),
    }),
  },
  itrans: {
    ...fromEnds,
    id: 'itrans',
    summary: 'a clip from your first image to your second',
    promptTag: 'image-to-image transition',
    inputs: ['image', 'image'],
    needs: { frames: 5, moves: true },
    fromSample: (sample) => ends(firstOf(sample, 1), lastOf(sample, 1), sample.clip.numFrames),
    fromInput: ({ media: [from, to] }, numFrames) =>
      ends({ frames: first(from!, 1) }, { frames: first(to!, 1) }, numFrames),
  },
  vtrans: {
    ...fromEnds,
    id: 'vtrans',
    summary: 'a transition from your first clip to your second',
    promptTag: 'video-to-video transition',
    keeps: 'known pixels',
    inputs: ['video', 'video'],
    needs: { frames: 9, moves: true },
    fromSample: (sample) => {
      const { numFrames } = sample.clip;
      const joint = jointOf(numFrames);
      return ends(firstOf(sample, joint), lastOf(sample, joint), numFrames);
    },
    fromInput: ({ media: [from, to], joints = [] }, numFrames) => {
      const [out = jointOf(numFrames), into = out] = joints;
      return {
        ...ends({ frames: last(from!, out) }, { frames: first(to!, into) }, numFrames),
        before: without(from!, 'last', out),
        after: without(to!, 'first', into),
      };
    },
  },
  isr: {
    ...larger,
    id: 'isr',
    summary: 'your image, larger and sharper',
    promptTag: 'image super-resolution',
    result: 'image',
    inputs: ['image'],
  },
  vsr: {
    ...larger,
    id: 'vsr',
    summary: 'your clip, larger and sharper',
    promptTag: 'video super-resolution',
    result: 'video',
    inputs: ['video'],
  },
  icolor: {
    ...gray,
    id: 'icolor',
    summary: 'your grey image in colour',
    promptTag: 'image colorization',
    result: 'image',
    inputs: ['image'],
  },
  vcolor: {
    ...gray,
    id: 'vcolor',
    summary: 'your grey clip in colour',
    promptTag: 'video colorization',
    result: 'video',
    inputs: ['video'],
  },
  iinp: {
    ...filled,
    id: 'iinp',
    summary: 'your image with the white part of a mask filled',
    promptTag: 'image inpainting',
    result: 'image',
    inputs: ['image'],
  },
  vinp: {
    ...filled,
    id: 'vinp',
    summary: 'your clip with the white part of a mask filled',
    promptTag: 'video inpainting',
    result: 'video',
    inputs: ['video'],
  },
  ioutp: {
    ...widened,
    id: 'ioutp',
    summary: 'your image, extended beyond its borders',
    promptTag: 'image outpainting',
    result: 'image',
    inputs: ['image'],
  },
  voutp: {
    ...widened,
    id: 'voutp',
    summary: 'your clip, extended beyond its borders',
    promptTag: 'video outpainting',
    result: 'video',
    inputs: ['video'],
  },
  iedit: {
    ...edited,
    id: 'iedit',
    summary: 'your image, changed as the prompt says',
    promptTag: 'image editing',
    result: 'image',
    inputs: ['image'],
  },
  vedit: {
    ...edited,
    id: 'vedit',
    summary: 'your clip, changed as the prompt says',
    promptTag: 'video editing',
    result: 'video',
    inputs: ['video'],
  },
  d2v: {
    ...shaped,
    id: 'd2v',
    summary: 'a clip with the shapes of your depth clip, optionally from a first frame you give',
    promptTag: 'depth-to-video',
    inputs: ['depth'],
    fromSample: ({ clip, depth }, random) =>
      shapeOnly(
        { frames: null, depth },
        random.chance(FIRST_FRAME_SHARE) ? first(clip, 1) : null,
        clip.numFrames,
      ),
    fromInput: ({ media: [look], depth, depthFrom = null }, numFrames) =>
      shapeOnly(
        { frames: depthFrom, depth: depth ? cutDepth(depth, 0, numFrames) : null },
        look ? first(look, 1) : null,
        numFrames,
      ),
  },
  mtrans: {
    ...shaped,
    id: 'mtrans',
    summary: 'a new clip that moves like yours, optionally from another first frame',
    promptTag: 'motion transfer',
    inputs: ['video'],
    fromSample: ({ clip, depth }, random) =>
      shapeOnly(
        { frames: clip, depth },
        random.chance(FIRST_FRAME_SHARE) ? first(clip, 1) : null,
        clip.numFrames,
      ),
    fromInput: ({ media: [clip, look] }, numFrames) =>
      shapeOnly(
        { frames: cut(clip!, numFrames), depth: null },
        look ? first(look, 1) : null,
        numFrames,
      ),
  },
  any: {
    ...usual,
    id: 'any',
    summary: 'a clip from any mixture: pictures, clips, masks and depth at places that you name',
    // words that the vocabulary of MiniWorld's pipelines has already
    promptTag: 'image and video',
    result: 'video',
    inputs: [],
    placed: true,
    size: 'shape of input',
    followsInput: false,
    keeps: 'each part',
    windows: 'goes on',
    needs: { frames: 5, captionWords: 1, clean: true },
    fromSample: drawMixture,
    fromInput: ({ placed }) => given(placed!),
  },
} as const satisfies Record<string, Task>;

export type TaskId = keyof typeof TASKS;
export const TASK_IDS = Object.keys(TASKS) as TaskId[];

/** The tasks of this table, followed by user-defined ones (see `defineTask`). */
export const allTasks = (own: readonly Task[] = []): Task[] => [...Object.values(TASKS), ...own];

/**
 * The task with this name.
 * @param own   user-defined tasks, in addition to those of this table
 * @throws InputError if there is no such task
 */
export function taskOf(name: string, own: readonly Task[] = []): Task {
  const all = allTasks(own);
  const task = all.find(({ id }) => id === name);
  if (task) return task;
  const ids = all.map(({ id }) => id);
  const hint = didYouMean(name, ids) || `; there are ${ids.join(', ')}`;
  throw new InputError(`${name}: unknown task${hint}`);
}
