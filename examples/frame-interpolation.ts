/** A task of your own: three new frames between every two frames of a clip. docs/tasks.md explains it. */
import {
  type ConditionInputs,
  cut,
  defineTask,
  type Frames,
  given,
  InputError,
  sliceFrames,
} from 'mfm/tasks';

/** One frame in four of the result is known: four frames share one latent frame. */
const STRIDE = 4;

export const vinterp = defineTask({
  id: 'vinterp',
  summary: 'your clip with three new frames between every two',
  promptTag: 'video frame interpolation',
  result: 'video',
  inputs: ['video'],
  followsInput: false,
  needs: { frames: STRIDE + 1, moves: true },
  keeps: 'known pixels',
  windows: 'first frame',
  fromSample: ({ clip }) => spread(everyFourth(clip)),
  fromInput: ({ media: [clip] }, numFrames) => {
    const count = countWithin(numFrames);
    if (clip!.numFrames < count) {
      throw new InputError(
        `${numFrames} frames: are made of ${count}, the input has ${clip!.numFrames}; ask for fewer with \`numFrames\``,
      );
    }
    return spread(cut(clip!, count));
  },
});

/** The number of known frames in a result of `numFrames`: k + 1 of 4k + 1. */
const countWithin = (numFrames: number): number => (numFrames - 1) / STRIDE + 1;

/** Places the frames at 0, 4, 8, … of the new clip; their depth is estimated if a depth model is there. */
const spread = (frames: Frames): ConditionInputs => {
  const at = Array.from({ length: frames.numFrames }, (_, i) => i * STRIDE);
  return given({ known: [{ frames, at, hole: null }] });
};

function everyFourth(clip: Frames): Frames {
  const numFrames = countWithin(clip.numFrames);
  const kept = Array.from({ length: numFrames }, (_, i) =>
    sliceFrames(clip, i * STRIDE, i * STRIDE + 1),
  );
  return { ...clip, numFrames, data: Buffer.concat(kept.map(({ data }) => data)) };
}
