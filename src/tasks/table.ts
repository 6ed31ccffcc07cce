/** The tasks. To add one, add a declaration here; training, use and help read this table. */
import type { RandomStream } from '../data/random.js';
import { InputError } from '../errors.js';
import { type Frames, type Mask, sliceFrames } from '../media/index.js';
import { didYouMean } from '../suggest.js';
import { type Given, given, NOTHING } from './condition.js';
import { drawBorder, drawHole, shrink } from './degrade.js';
import { TASK_IDS, type TaskId } from './ids.js';
import type { Task, UserInput } from './task.js';

/** Frames at the joint of a clip and what follows. Source: reference implementation */
const JOINT = 8;

// what several declarations share

const fromPrompt = {
  inputs: [],
  mask: 'none',
  size: 'pipeline',
  followsInput: false,
  keeps: 'nothing',
  fromClip: () => NOTHING,
  fromInput: () => NOTHING,
} as const;

/** Ends of a clip are given, the rest is made. */
const fromEnds = {
  result: 'video',
  mask: 'none',
  size: 'shape of input',
  followsInput: false,
  keeps: 'nothing',
} as const;

/** All of the result's frames are given, some way or other. */
const fromWhole = { mask: 'none', size: 'input', followsInput: true, keeps: 'nothing' } as const;

const larger = {
  ...fromWhole,
  size: 'larger',
  keeps: 'coarse picture',
  fromClip: (clip: Frames, random: RandomStream) => everyFrame(shrink(clip, random)),
  fromInput: ({ media: [media] }: UserInput, numFrames: number) =>
    everyFrame(cut(media!, numFrames)),
} as const;

const gray = {
  ...fromWhole,
  fromClip: (clip: Frames) => everyFrame(clip, { gray: true }),
  fromInput: ({ media: [media] }: UserInput, numFrames: number) =>
    everyFrame(cut(media!, numFrames), { gray: true }),
} as const;

const masked = {
  ...fromWhole,
  mask: 'needed',
  keeps: 'known pixels',
  fromInput: ({ media: [media], mask }: UserInput, numFrames: number) =>
    everyFrame(cut(media!, numFrames), { hole: mask && cutMask(mask, numFrames) }),
} as const;

const filled = {
  ...masked,
  fromClip: (clip: Frames, random: RandomStream) =>
    everyFrame(clip, { hole: drawHole(clip, random) }),
} as const;

const widened = {
  ...masked,
  fromClip: (clip: Frames, random: RandomStream) =>
    everyFrame(clip, { hole: drawBorder(clip, random) }),
} as const;

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
  },
  i2v: {
    ...fromEnds,
    id: 'i2v',
    summary: 'a clip that begins with your image',
    promptTag: 'image-to-video',
    inputs: ['image'],
    fromClip: (clip) => ends(first(clip, 1), null, clip.numFrames),
    fromInput: ({ media: [image] }, numFrames) => ends(first(image!, 1), null, numFrames),
  },
  vexd: {
    ...fromEnds,
    id: 'vexd',
    summary: 'your clip, going on',
    promptTag: 'video extending',
    inputs: ['video'],
    fromClip: (clip) => ends(first(clip, JOINT), null, clip.numFrames),
    fromInput: ({ media: [clip], joints: [joint = JOINT] = [] }, numFrames) => ({
      ...ends(last(clip!, joint), null, numFrames),
      before: without(clip!, 'last', joint),
    }),
  },
  itrans: {
    ...fromEnds,
    id: 'itrans',
    summary: 'a clip from your first image to your second',
    promptTag: 'image-to-image transition',
    inputs: ['image', 'image'],
    fromClip: (clip) => ends(first(clip, 1), last(clip, 1), clip.numFrames),
    fromInput: ({ media: [from, to] }, numFrames) =>
      ends(first(from!, 1), first(to!, 1), numFrames),
  },
  vtrans: {
    ...fromEnds,
    id: 'vtrans',
    summary: 'your first clip, becoming your second',
    promptTag: 'video-to-video transition',
    inputs: ['video', 'video'],
    fromClip: (clip) => {
      const joint = Math.min(JOINT, Math.floor(clip.numFrames / 2));
      return ends(first(clip, joint), last(clip, joint), clip.numFrames);
    },
    fromInput: ({ media: [from, to], joints: [out = JOINT, into = out] = [] }, numFrames) => ({
      ...ends(last(from!, out), first(to!, into), numFrames),
      before: without(from!, 'last', out),
      after: without(to!, 'first', into),
    }),
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
    summary: 'your image with its white borders painted',
    promptTag: 'image outpainting',
    result: 'image',
    inputs: ['image'],
  },
  voutp: {
    ...widened,
    id: 'voutp',
    summary: 'your clip with its white borders painted',
    promptTag: 'video outpainting',
    result: 'video',
    inputs: ['video'],
  },
  vedit: {
    ...fromWhole,
    id: 'vedit',
    summary: 'your clip, changed as the prompt says',
    promptTag: 'video editing',
    result: 'video',
    inputs: ['video'],
    fromClip: null,
    fromInput: ({ media: [clip] }, numFrames) => everyFrame(cut(clip!, numFrames)),
  },
} as const satisfies Record<TaskId, Task>;

/** The task of a name that a user gave. @throws InputError if there is none */
export function taskOf(name: string): Task {
  const task = Object.values<Task>(TASKS).find(({ id }) => id === name);
  if (task) return task;
  const hint = didYouMean(name, TASK_IDS) || `; there are ${TASK_IDS.join(', ')}`;
  throw new InputError(`${name}: unknown task${hint}`);
}

// parts of a clip

/** Every frame is given, at its place. */
function everyFrame(
  frames: Frames,
  { hole = null, gray = false }: { hole?: Uint8Array | null; gray?: boolean } = {},
): Given {
  const at = Array.from({ length: frames.numFrames }, (_, i) => i);
  return given({ known: [{ frames, at, hole }], gray });
}

/** The beginning of a clip of `numFrames` is given, and its end if there is one. */
function ends(head: Frames, tail: Frames | null, numFrames: number): Given {
  const count = head.numFrames + (tail?.numFrames ?? 0);
  if (count > numFrames) {
    throw new InputError(
      `${numFrames} frames: are fewer than the ${count} that the input gives; ask for more with --frames`,
    );
  }
  const places = ({ numFrames: count }: Frames, from: number) =>
    Array.from({ length: count }, (_, i) => from + i);
  const known = [{ frames: head, at: places(head, 0), hole: null }];
  if (tail) known.push({ frames: tail, at: places(tail, numFrames - tail.numFrames), hole: null });
  return given({ known, depth: true });
}

const first = (clip: Frames, count: number) =>
  sliceFrames(clip, 0, Math.min(count, clip.numFrames));

const last = (clip: Frames, count: number) =>
  sliceFrames(clip, Math.max(0, clip.numFrames - count), clip.numFrames);

/** What is left of a clip; null if that is nothing. */
function without(clip: Frames, end: 'first' | 'last', count: number): Frames | null {
  if (clip.numFrames <= count) return null;
  return end === 'first'
    ? sliceFrames(clip, count, clip.numFrames)
    : sliceFrames(clip, 0, clip.numFrames - count);
}

/** The first `numFrames` of a clip. */
const cut = (media: Frames, numFrames: number): Frames =>
  media.numFrames === numFrames ? media : sliceFrames(media, 0, numFrames);

/** The mask of a clip's first frames; one frame holds for all. */
function cutMask(mask: Mask, numFrames: number): Uint8Array {
  const plane = mask.width * mask.height;
  if (mask.numFrames > 1) return mask.data.subarray(0, numFrames * plane);
  const repeated = new Uint8Array(numFrames * plane);
  for (let frame = 0; frame < numFrames; frame++) repeated.set(mask.data, frame * plane);
  return repeated;
}
