/** The tasks. To add one, add a declaration here; training, use and help read this table. */
import { type Frames, type Mask, type Media, sliceFrames } from '../media/index.js';
import { NOTHING } from './condition.js';
import { drawHole, shrink } from './degrade.js';
import type { Task } from './task.js';

/** Places 0, 1, 2, … on the time line. */
const everyFrame = (frames: Frames) => Array.from({ length: frames.numFrames }, (_, i) => i);

const firstFrame = (frames: Frames) => sliceFrames(frames, 0, 1);

/** The first `numFrames` of a clip. */
const cut = (media: Media, numFrames: number): Frames =>
  media.numFrames === numFrames ? media : sliceFrames(media, 0, numFrames);

/** The mask of a clip's first frames; one frame holds for all. */
function cutMask(mask: Mask, numFrames: number): Uint8Array {
  const plane = mask.width * mask.height;
  if (mask.numFrames > 1) return mask.data.subarray(0, numFrames * plane);
  const repeated = new Uint8Array(numFrames * plane);
  for (let frame = 0; frame < numFrames; frame++) repeated.set(mask.data, frame * plane);
  return repeated;
}

const fromPrompt = {
  input: { media: null, mask: false },
  followsInput: false,
  keeps: 'nothing',
  fromClip: () => NOTHING,
  fromInput: () => NOTHING,
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
    id: 'i2v',
    summary: 'a clip that begins with your image',
    promptTag: 'image-to-video',
    result: 'video',
    input: { media: 'image', mask: false },
    followsInput: false,
    keeps: 'nothing',
    fromClip: (clip) => ({ frames: firstFrame(clip), at: [0], hole: null }),
    fromInput: ({ media: [image] }) => ({ frames: firstFrame(image!), at: [0], hole: null }),
  },
  vsr: {
    id: 'vsr',
    summary: 'your clip, larger and sharper',
    promptTag: 'video super-resolution',
    result: 'video',
    input: { media: 'video', mask: false },
    followsInput: true,
    keeps: 'coarse picture',
    fromClip: (clip, random) => ({
      frames: shrink(clip, random),
      at: everyFrame(clip),
      hole: null,
    }),
    fromInput: ({ media: [clip] }, numFrames) => {
      const frames = cut(clip!, numFrames);
      return { frames, at: everyFrame(frames), hole: null };
    },
  },
  vinp: {
    id: 'vinp',
    summary: 'your clip with the white part of a mask filled',
    promptTag: 'video inpainting',
    result: 'video',
    input: { media: 'video', mask: true },
    followsInput: true,
    keeps: 'known pixels',
    fromClip: (clip, random) => ({
      frames: clip,
      at: everyFrame(clip),
      hole: drawHole(clip, random),
    }),
    fromInput: ({ media: [clip], mask }, numFrames) => {
      const frames = cut(clip!, numFrames);
      return { frames, at: everyFrame(frames), hole: cutMask(mask!, numFrames) };
    },
  },
} as const satisfies Record<string, Task>;

export type TaskId = keyof typeof TASKS;
export const TASK_IDS = Object.keys(TASKS) as TaskId[];
